// A committed file of figures and of how far each may move.

import JSONText

/// What is wrong with a baseline file, in words.
public struct BaselineError: Error, CustomStringConvertible {
  public var description: String
}

/// The figures of one workload's systems, as they were when somebody accepted them.
public struct Baseline: Sendable {
  static let schema = "tract-sim-baseline/1"

  public let name: String
  /// By metric; those not named have `BaselineCheck.defaultTolerance`.
  public let tolerances: [String: Tolerance]
  /// In the order of the workload. Parts of the breakdown stand beside the metrics.
  let systems: [(name: String, figures: [String: Double])]

  /// What `comparison` shows now.
  public init(_ comparison: Comparison, tolerances: [String: Tolerance]) {
    name = comparison.workload.name
    self.tolerances = tolerances
    systems = comparison.metrics.map { metrics in
      let keys = CheckedFigures.metrics + CheckedFigures.parts
      let figures = keys.compactMap { key in
        metrics[key].flatMap { $0.isFinite ? (key, $0) : nil }
      }
      return (metrics.system, Dictionary(uniqueKeysWithValues: figures))
    }
  }

  /// Reads a file's text.
  /// - Throws: `JSONSyntaxError`, `BaselineError`.
  public init(_ text: [UInt8]) throws {
    let root = try JSONParser.parse(text)
    guard case .string(Self.schema)? = root["schema"]?.value,
      case .string(let name)? = root["name"]?.value,
      case .object(let systems)? = root["systems"]?.value
    else { throw BaselineError(description: "is no file of schema \(Self.schema)") }
    self.name = name
    self.systems = systems.map { system, node in
      var figures: [String: Double] = [:]
      for source in [node, node["breakdown"]] {
        guard case .object(let members)? = source?.value else { continue }
        for (key, value) in members { figures[key] = value.value.double }
      }
      return (system, figures)
    }
    var tolerances: [String: Tolerance] = [:]
    if case .object(let members)? = root["tolerances"]?.value {
      for (metric, node) in members {
        tolerances[metric] = try Self.tolerance(metric, node)
      }
    }
    self.tolerances = tolerances
  }

  private static func tolerance(_ metric: String, _ node: JSONNode) throws(BaselineError)
    -> Tolerance
  {
    guard (CheckedFigures.metrics + CheckedFigures.parts).contains(metric) else {
      throw BaselineError(
        description: "line \(node.line): tolerances: there is no metric \"\(metric)\"")
    }
    let text = if case .string(let text) = node.value { text } else { node.text(indented: false) }
    guard let tolerance = Tolerance(text) else {
      throw BaselineError(
        description: "line \(node.line): tolerances.\(metric): expected \"1%\" or \"0.5\"")
    }
    return tolerance
  }

  /// The file's text.
  public var text: String {
    func object(_ keys: [String], _ figures: [String: Double]) -> [(String, JSONNode)] {
      keys.compactMap { key in figures[key].map { (key, JSONNode(.number($0))) } }
    }
    var members: [(key: String, value: JSONNode)] = [
      ("schema", JSONNode(.string(Self.schema))), ("name", JSONNode(.string(name))),
    ]
    if !tolerances.isEmpty {
      let limits = (CheckedFigures.metrics + CheckedFigures.parts).compactMap { key in
        tolerances[key].map { (key, JSONNode(.string($0.text))) }
      }
      members.append(("tolerances", JSONNode(.object(limits))))
    }
    let systems = systems.map { system in
      let parts = JSONNode(.object(object(CheckedFigures.parts, system.figures)))
      let figures = object(CheckedFigures.metrics, system.figures) + [("breakdown", parts)]
      return (system.name, JSONNode(.object(figures)))
    }
    members.append(("systems", JSONNode(.object(systems))))
    return JSONValue.object(members).text(indented: true) + "\n"
  }
}
