// As much of JSON Schema (draft 2020-12) as the project's schema uses; other keywords are an error.

import JSONText

/// A schema and its definitions.
struct JSONSchema {
  let root: JSONNode

  /// Where and why `node` does not fit; empty if it does.
  func problems(_ node: JSONNode) -> [String] { problems(node, root, "$") }

  /// The schema itself, or what it refers to.
  func resolved(_ schema: JSONNode) -> JSONNode {
    guard case .string(let reference)? = schema["$ref"]?.value else { return schema }
    let name = String(reference.dropFirst("#/$defs/".count))
    guard let target = root["$defs"]?[name] else { preconditionFailure("no \(reference)") }
    return resolved(target)
  }

  private func problems(_ node: JSONNode, _ reference: JSONNode, _ path: String) -> [String] {
    let schema = resolved(reference)
    guard case .object(let keywords) = schema.value else {
      preconditionFailure("\(path): no schema")
    }
    return keywords.flatMap { problems(node, $0.key, $0.value, schema, path) }
  }

  private func problems(
    _ node: JSONNode, _ keyword: String, _ argument: JSONNode, _ schema: JSONNode, _ path: String
  ) -> [String] {
    func fails(_ condition: Bool) -> [String] { condition ? ["\(path): \(keyword)"] : [] }
    let number = node.value.double
    let bound = argument.value.double ?? 0
    switch keyword {
    case "$schema", "title", "description", "default", "$defs": return []
    case "type": return fails(!hasType(node.value, text(argument)))
    case "const": return fails(node.text(indented: false) != argument.text(indented: false))
    case "enum":
      return fails(
        !elements(argument).contains { $0.text(indented: false) == node.text(indented: false) })
    case "oneOf":
      return fails(elements(argument).count { problems(node, $0, path).isEmpty } != 1)
    case "minimum": return fails(number.map { $0 < bound } ?? false)
    case "exclusiveMinimum": return fails(number.map { $0 <= bound } ?? false)
    case "maximum": return fails(number.map { $0 > bound } ?? false)
    case "minLength": return fails(text(node).map { Double($0.count) < bound } ?? false)
    case "pattern":
      guard let value = text(node), let pattern = text(argument) else { return [] }
      return fails((try? Regex(pattern).firstMatch(in: value)) == nil)
    case "minItems": return fails(isArray(node) && Double(elements(node).count) < bound)
    case "maxItems": return fails(isArray(node) && Double(elements(node).count) > bound)
    case "items":
      return elements(node).enumerated().flatMap { problems($1, argument, "\(path)[\($0)]") }
    case "properties":
      return members(argument).flatMap { key, schema in
        node[key].map { problems($0, schema, "\(path).\(key)") } ?? []
      }
    case "required":
      guard case .object = node.value else { return [] }
      return elements(argument).compactMap { text($0) }.filter { node[$0] == nil }
        .map { "\(path).\($0): required" }
    // The project's only pattern; what it matches is free.
    case "patternProperties": return fails(members(argument).map(\.key) != ["^//"])
    case "additionalProperties":
      return members(node).map(\.key).filter {
        schema["properties"]?[$0] == nil
          && !(schema["patternProperties"]?["^//"] != nil && $0.hasPrefix("//"))
      }.map { "\(path).\($0): not allowed" }
    default: preconditionFailure("the test knows no keyword \(keyword)")
    }
  }

  private func hasType(_ value: JSONValue, _ type: String?) -> Bool {
    switch (type, value) {
    case ("object", .object), ("array", .array), ("string", .string), ("boolean", .bool),
      ("integer", .integer), ("number", .integer), ("number", .number):
      true
    default: false
    }
  }

  private func isArray(_ node: JSONNode) -> Bool {
    if case .array = node.value { true } else { false }
  }
}

func text(_ node: JSONNode) -> String? {
  if case .string(let text) = node.value { text } else { nil }
}

func elements(_ node: JSONNode) -> [JSONNode] {
  if case .array(let elements) = node.value { elements } else { [] }
}

func members(_ node: JSONNode) -> [(key: String, value: JSONNode)] {
  if case .object(let members) = node.value { members } else { [] }
}
