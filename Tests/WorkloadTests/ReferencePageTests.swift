// docs/reference/workload.md: every key of a workload file, written from the schema.

import Foundation
import JSONText
import Testing

/// Tables of a schema's objects.
private struct ReferencePage {
  let schema: JSONSchema
  var lines = [
    "# Keys of a workload file", "",
    "Written from `Workloads/schema/workload.schema.json` by `ReferencePageTests`; do not edit. Keys "
      + "without a default are required, or the preset's if they stand in `rack`, or simply left out.",
    "",
  ]

  init(_ schema: JSONSchema) {
    self.schema = schema
    add(schema.root, "", "The file")
  }

  private mutating func add(_ node: JSONNode, _ path: String, _ title: String) {
    let object = schema.resolved(node)
    if let forms = object["oneOf"] {
      for form in elements(forms) {
        let form = schema.resolved(form)
        // Another name of a form that has its own section.
        guard form["properties"] != nil else { continue }
        add(form, path, "\(title): \(kind(of: form))")
      }
      return
    }
    guard let properties = object["properties"] else { return }
    let required = Set(object["required"].map { elements($0).compactMap(text) } ?? [])
    lines += ["## \(title)", "", "| key | value | default | |", "|---|---|---|---|"]
    var inner: [(JSONNode, String, String)] = []
    for (key, rule) in members(properties) {
      let full = path.isEmpty ? key : "\(path).\(key)"
      let rule = schema.resolved(rule)
      let standard =
        required.contains(key)
        ? "required" : rule["default"].map { "`\($0.value.text(indented: false))`" } ?? ""
      let description = rule["description"].flatMap(text) ?? ""
      lines.append("| `\(full)` | \(values(rule)) | \(standard) | \(description) |")
      if rule["properties"] != nil || rule["oneOf"] != nil { inner.append((rule, full, full)) }
      if let items = rule["items"] { inner.append((items, "\(full)[]", "One of \(full)")) }
    }
    lines.append("")
    for (rule, path, title) in inner { add(rule, path, "`\(title)`") }
  }

  private func kind(of form: JSONNode) -> String {
    let fixed = members(form["properties"] ?? JSONNode(.null)).compactMap { key, rule in
      rule["const"].map { "`\(key)` \($0.value.text(indented: false))" }
    }
    return fixed.joined(separator: ", ")
  }

  /// What a value may be.
  private func values(_ rule: JSONNode) -> String {
    if let constant = rule["const"] { return "`\(constant.value.text(indented: false))`" }
    if let choices = rule["enum"] {
      return elements(choices).map { "`\($0.value.text(indented: false))`" }.joined(separator: ", ")
    }
    guard let type = rule["type"].flatMap(text) else { return "see below" }
    func bound(_ key: String) -> String? { rule[key]?.value.text(indented: false) }
    let low = bound("minimum").map { "≥ \($0)" } ?? bound("exclusiveMinimum").map { "> \($0)" }
    return ([type] + [low, bound("maximum").map { "≤ \($0)" }].compactMap { $0 })
      .joined(separator: ", ")
  }
}

@Suite struct ReferencePageTests {
  /// `TRACT_ACCEPT_GOLDENS=1` writes the page.
  @Test func workloadKeys() throws {
    let package = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let file = package.appendingPathComponent("Workloads/schema/workload.schema.json")
    let schema = JSONSchema(root: try JSONParser.parse(try AtomicFile.read(file.path)))
    let text = ReferencePage(schema).lines.joined(separator: "\n")
    let page = package.appendingPathComponent("docs/reference/workload.md")
    if ProcessInfo.processInfo.environment["TRACT_ACCEPT_GOLDENS"] == "1" {
      try FileManager.default.createDirectory(
        at: page.deletingLastPathComponent(), withIntermediateDirectories: true)
      try AtomicFile.write(text, to: page.path)
    }
    #expect(
      try String(contentsOf: page, encoding: .utf8) == text,
      "the schema has changed; TRACT_ACCEPT_GOLDENS=1 writes the page anew")
  }
}
