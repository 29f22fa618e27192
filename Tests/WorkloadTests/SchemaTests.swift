// The published schema and the decoder say the same: same keys, same types, same bounds.

import Foundation
import JSONText
import Testing
import Workload

private let package = URL(fileURLWithPath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

private func json(_ path: String) throws -> JSONNode {
  try JSONParser.parse(try AtomicFile.read(package.appendingPathComponent(path).path))
}

private func parsed(_ text: String) throws -> JSONNode { try JSONParser.parse(Array(text.utf8)) }

/// A workload in which the object at `path` is present in one of its forms.
private struct Place: CustomTestStringConvertible, Sendable {
  var path: String
  var overrides: [String] = []
  /// Members that are fixed by the form.
  var form: [String: String] = [:]
  var testDescription: String { path + form.values.joined() }

  static let base = """
    {"name": "t", "model": "llama-3.1-8b", "systems": ["nixl"], "rack": {},
     "traffic": {"kind": "static", "input_tokens": 100, "output_tokens": 3,
       "arrivals": {"process": "poisson", "rate_rps": 1}},
     "stop": {"requests": 10}}
    """

  static var all: [Place] {
    let plain = [
      "", "rack", "rack.prefill", "rack.decode", "rack.prefill.power", "rack.decode.power",
      "rack.host", "rack.nic", "rack.pcie", "rack.dram", "rack.cxl", "rack.rdma_engine", "engine",
      "stop", "slo", "prices",
    ].map { Place(path: $0) }
    let systems = SystemKind.allCases.map {
      Place(
        path: "systems.0", overrides: ["systems=[{\"base\":\"\($0.rawValue)\"}]"],
        form: ["base": $0.rawValue])
    }
    let router = Place(path: "kv_router", overrides: ["router=\"kv_aware\"", "kv_router={}"])
    let arrivals = "\"arrivals\":{\"process\":\"poisson\",\"rate_rps\":1}"
    let traffic = [
      Place(path: "traffic", form: ["kind": "static"]),
      Place(
        path: "traffic",
        overrides: [
          "traffic={\"kind\":\"synthetic\",\"input_tokens\":9,\"output_tokens\":3,"
            + "\"unique_tokens\":1,\(arrivals)}"
        ], form: ["kind": "synthetic"]),
      Place(
        path: "traffic",
        overrides: ["traffic={\"kind\":\"trace\",\"file\":\"t.jsonl\",\(arrivals)}"],
        form: ["kind": "trace"]),
      Place(
        path: "traffic",
        overrides: ["traffic={\"kind\":\"sessions\",\"model\":\"agentic-code\",\(arrivals)}"],
        form: ["kind": "sessions"]),
    ]
    let processes = [
      ("poisson", "\"rate_rps\":1"), ("deterministic", "\"rate_rps\":1"),
      ("gamma", "\"rate_rps\":1"),
      ("closed_loop", "\"concurrency\":1"),
    ].map { process, rest in
      Place(
        path: "traffic.arrivals",
        overrides: ["traffic.arrivals={\"process\":\"\(process)\",\(rest)}"],
        form: ["process": process])
    }
    let sessions = Place(
      path: "traffic.arrivals",
      overrides: [
        "traffic={\"kind\":\"trace\",\"file\":\"t.jsonl\",\"arrivals\":{\"process\":\"sessions\"}}"
      ], form: ["process": "sessions"])
    let faults = [
      ("node_crash", "\"worker\":0"), ("manager_pause", "\"for_s\":1"),
      ("cxl_degradation", "\"for_s\":1"), ("link_down", "\"for_s\":1,\"link\":\"cxl\""),
    ].map { kind, rest in
      Place(
        path: "faults.0",
        overrides: ["faults=[{\"kind\":\"\(kind)\",\"at_s\":1,\(rest)}]"], form: ["kind": kind])
    }
    return plain + [router, sessions] + systems + traffic + processes + faults
  }

  /// The problems of the workload with `more` set, by path.
  func problems(_ more: [String]) throws -> [Problem] {
    do {
      _ = try WorkloadFile.decode(
        Array(Self.base.utf8), name: "t.json", folder: "",
        overrides: (overrides + more).compactMap { WorkloadFile.Override($0) })
      return []
    } catch {
      return error.problems
    }
  }

  func path(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

  /// As the decoder's messages write it.
  func message(path key: String) -> String {
    "$." + self.path(of: key).replacing(".0", with: "[0]")
  }
}

@Suite struct SchemaTests {
  private let schema: JSONSchema

  init() throws { schema = JSONSchema(root: try json("Workloads/schema/workload.schema.json")) }

  @Test func committedWorkloadsFit() throws {
    for folder in ["examples", "ci"] {
      let names = try FileManager.default.contentsOfDirectory(
        atPath: package.appendingPathComponent("Workloads/\(folder)").path)
      for name in names.sorted() where name.hasSuffix(".json") {
        let path = "Workloads/\(folder)/\(name)"
        #expect(schema.problems(try json(path)) == [], "\(path)")
        let workload = try WorkloadFile.load(path: package.appendingPathComponent(path).path)
        let resolved = try parsed(ResolvedWorkload.json(workload).text(indented: true))
        #expect(schema.problems(resolved) == [], "\(path), resolved")
      }
    }
  }

  /// Keys that begin with // are comments in every object, to both.
  @Test(arguments: Place.all) fileprivate func comments(_ place: Place) throws {
    #expect(try place.problems(["\(place.path(of: "// why"))=[1, 2]"]) == place.problems([]))
    #expect(try object(place)["patternProperties"]?["^//"] != nil)
  }

  @Test(arguments: [
    "seed=-1", "seed=\"x\"", "name=\"a/b\"", "name=\"\"", "model=8", "systems=[]",
    "systems=[\"ucx\"]",
    "systems=[{\"base\":\"nixl\",\"cache_gib\":1}]", "traffic.kind=\"burst\"", "traffic={}",
    "traffic.arrivals={\"process\":\"recorded\"}", "colour=1", "rack.cxl.latncy_ns=1", "faults=[1]",
    "faults=1", "faults=[{\"kind\":\"flood\",\"at_s\":1}]",
    "faults=[{\"kind\":\"manager_pause\",\"at_s\":1}]",
    "faults=[{\"kind\":\"node_crash\",\"at_s\":1}]",
    "faults=[{\"kind\":\"link_down\",\"link\":\"usb\",\"at_s\":1,\"for_s\":1}]",
    "router=\"fastest\"", "stop.requests=1.5", "traffic.arrivals.rate_rps=0", "rack=\"h100-rack\"",
  ]) func bothRefuse(_ override: String) throws {
    let place = Place(path: "")
    #expect(try !place.problems([override]).isEmpty)
    // The same change to the text, for the schema.
    var node = try parsed(Place.base)
    let parts = override.split(separator: "=", maxSplits: 1).map(String.init)
    set(parts[0].split(separator: ".").map(String.init)[...], try parsed(parts[1]), in: &node)
    #expect(!schema.problems(node).isEmpty)
  }

  private func set(_ path: ArraySlice<String>, _ value: JSONNode, in node: inout JSONNode) {
    guard let key = path.first else {
      node = value
      return
    }
    var all = members(node)
    if !all.contains(where: { $0.key == key }) { all.append((key, JSONNode(.object([])))) }
    for index in all.indices where all[index].key == key {
      set(path.dropFirst(), value, in: &all[index].value)
    }
    node.value = .object(all)
  }

  /// The schema of an object in the form that `place` describes.
  private func object(_ place: Place) throws -> JSONNode {
    var node = schema.root
    for key in place.path.split(separator: ".") {
      node = try #require(key == "0" ? node["items"] : node["properties"]?[String(key)], "\(key)")
      node = schema.resolved(node)
      if let forms = node["oneOf"] {
        let isLast = place.path.hasSuffix(String(key))
        // On the way to the arrivals any form of traffic will do, but for sessions the last, a trace.
        let all = elements(forms).map { schema.resolved($0) }
        node = try #require(
          (place.form["process"] == "sessions" ? all.reversed() : all).first { form in
            form["properties"] != nil
              && (!isLast
                || place.form.allSatisfy { form["properties"]?[$0]?["const"].flatMap(text) == $1 })
          }, "\(place)")
      }
    }
    return node
  }

  /// What a key that is left out stands for is what the schema says, for all but the rack, whose
  /// values are its preset's.
  @Test(arguments: Place.all.filter { !$0.path.hasPrefix("rack") })
  fileprivate func sameDefaults(_ place: Place) throws {
    let overrides = place.overrides.compactMap { WorkloadFile.Override($0) }
    var node = JSONNode(
      ResolvedWorkload.json(
        try WorkloadFile.decode(
          Array(Place.base.utf8), name: "t.json", folder: "", overrides: overrides)))
    for key in place.path.split(separator: ".") {
      guard let next = key == "0" ? elements(node).first : node[String(key)] else { return }
      node = next
    }
    let object = try object(place)
    // Required, or fixed by the workload it is read from.
    var required = Set(object["required"].map { elements($0).compactMap(text) } ?? [])
    if place.path == "stop" { required.insert("requests") }
    for (key, reference) in members(try #require(object["properties"])) {
      let rule = schema.resolved(reference)
      guard !required.contains(key), rule["const"] == nil, let value = node[key],
        // That of the first system.
        place.path(of: key) != "baseline"
      else {
        #expect(rule["default"] == nil, "\(place.path(of: key))")
        continue
      }
      if case .object = value.value { continue }
      #expect(
        rule["default"]?.value.text(indented: false) == value.value.text(indented: false),
        "\(place) \(key): \(value.value.text(indented: false))")
    }
  }

  @Test(arguments: Place.all) fileprivate func everyKeyIsDescribed(_ place: Place) throws {
    for (key, rule) in members(try #require(try object(place)["properties"])) {
      let rule = schema.resolved(rule)
      let isDescribed = rule["description"].flatMap(text).map { !$0.isEmpty } ?? false
      #expect(isDescribed || rule["const"] != nil, "\(place) \(key)")
    }
  }

  /// A key that no object has makes the decoder list those it has.
  @Test(arguments: Place.all) fileprivate func sameKeys(_ place: Place) throws {
    let key = "zzzzzzzzzzzzzzzzzzzz"
    let problems = try place.problems(["\(place.path(of: key))=1"])
    let message = try #require(problems.first { $0.path == place.message(path: key) }?.message)
    let list = try #require(message.split(separator: "allowed are ").last)
    let known = list.split(separator: ", ").map(String.init).sorted()
    let properties = members(try #require(try object(place)["properties"])).map(\.key).sorted()
    #expect(known == properties)
  }

  /// Just outside every bound the decoder refuses, on the bound it does not; wrong types never pass.
  @Test(arguments: Place.all) fileprivate func sameBounds(_ place: Place) throws {
    let properties = members(try #require(try object(place)["properties"]))
    for (key, reference) in properties where place.form[key] == nil && key != "$schema" {
      let rule = schema.resolved(reference)
      func complains(_ value: String) throws -> Bool {
        try place.problems(["\(place.path(of: key))=\(value)"]).contains {
          $0.path.hasPrefix(place.message(path: key))
            && ($0.message.contains("out of range") || $0.message.contains("expected")
              || $0.message.contains("unknown") || $0.message.contains("is missing"))
        }
      }
      if rule["type"].flatMap(text) != "array" {
        #expect(try complains("[]"), "\(place.path(of: key))=[]")
      }
      let isInteger = rule["type"].flatMap(text) == "integer"
      guard isInteger || rule["type"].flatMap(text) == "number" else { continue }
      #expect(try complains("true"), "\(place.path(of: key))=true")
      if isInteger { #expect(try complains("1.5"), "\(place.path(of: key))=1.5") }
      func written(_ value: Double) -> String { JSONValue.number(value).text(indented: false) }
      if let low = rule["minimum"]?.value.double {
        #expect(try !complains(written(low)), "\(place.path(of: key))=\(low)")
        #expect(try complains(written(low - 1)), "\(place.path(of: key))=\(low - 1)")
      }
      if let low = rule["exclusiveMinimum"]?.value.double {
        #expect(try complains(written(low)), "\(place.path(of: key))=\(low)")
      }
      if let high = rule["maximum"]?.value.double {
        #expect(try !complains(written(high)), "\(place.path(of: key))=\(high)")
        #expect(try complains(written(high + 1)), "\(place.path(of: key))=\(high + 1)")
      }
    }
  }
}
