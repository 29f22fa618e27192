// The workload file: reading it strictly, with overrides, all problems in one pass.

import Foundation
import JSONText
import Rack

/// Loads and checks workload files.
public enum WorkloadFile {
  /// A `path=value` given beside the file; the value is JSON, or else a plain string.
  public struct Override: Sendable {
    public var path: String
    public var value: String

    /// Splits `path=value`; nil without a path or `=`.
    public init?(_ text: String) {
      guard let equals = text.firstIndex(of: "="), equals > text.startIndex else { return nil }
      path = String(text[..<equals])
      value = String(text[text.index(after: equals)...])
    }
  }

  /// The workload of the file at `path` with `overrides` applied.
  /// - Throws: every problem found.
  public static func load(path: String, overrides: [Override] = []) throws(WorkloadError)
    -> Workload
  {
    let bytes: [UInt8]
    do {
      bytes = try AtomicFile.read(path)
    } catch {
      throw WorkloadError([
        Problem(file: path, line: 0, path: "", message: "cannot be read: \(error.reason)")
      ])
    }
    let folder = (path as NSString).deletingLastPathComponent
    return try decode(bytes, name: path, folder: folder, overrides: overrides)
  }

  /// The workload of a text; relative trace paths start from `folder`.
  public static func decode(
    _ bytes: [UInt8], name: String, folder: String, overrides: [Override] = []
  ) throws(WorkloadError) -> Workload {
    var root: JSONNode
    do {
      root = try JSONParser.parse(bytes)
    } catch {
      throw WorkloadError([
        Problem(
          file: name, line: error.line, path: "",
          message: "not valid JSON at column \(error.column): \(error.message)")
      ])
    }
    let log = ProblemLog(file: name)
    for override in overrides {
      let value = (try? JSONParser.parse(Array(override.value.utf8)))?.value
      let parts = override.path.split(separator: ".", omittingEmptySubsequences: false)
        .map(String.init)
      if let fault = set(
        parts[...], to: JSONNode(value ?? .string(override.value)), in: &root)
      {
        log.add(line: 0, path: "--set \(override.path)", fault)
      }
    }
    let workload = WorkloadDecoder(log: log, folder: folder).workload(root)
    guard log.problems.isEmpty, let workload else { throw WorkloadError(log.problems) }
    return workload
  }

  /// A system as its base defines it; nil if there is no such base.
  public static func system(named name: String) -> SystemSpec? {
    SystemKind(rawValue: name).map {
      WorkloadDecoder(log: ProblemLog(file: ""), folder: "").defaults($0, name: name)
    }
  }

  /// Puts `value` at a dotted path, making objects on the way; returns what is wrong, or nil.
  private static func set(
    _ path: ArraySlice<String>, to value: JSONNode, in node: inout JSONNode
  ) -> String? {
    guard let key = path.first else {
      node = JSONNode(value.value, line: node.line, column: node.column)
      return nil
    }
    switch node.value {
    case .object(var members):
      let index = members.firstIndex { $0.key == key } ?? members.count
      if index == members.count { members.append((key, JSONNode(.object([])))) }
      let fault = set(path.dropFirst(), to: value, in: &members[index].value)
      node.value = .object(members)
      return fault
    case .array(var elements):
      guard let index = Int(key), elements.indices.contains(index) else {
        return "\"\(key)\" is not an index of an array of \(elements.count) elements"
      }
      let fault = set(path.dropFirst(), to: value, in: &elements[index])
      node.value = .array(elements)
      return fault
    default:
      // A name may be spelt out as an object, as in systems.0.block_tokens=16.
      guard case .string(let name) = node.value else {
        return "\(node.value.kind) has no member \"\(key)\""
      }
      let base = path.count == 1 ? "base" : "preset"
      node.value = .object([(base, JSONNode(.string(name))), (key, JSONNode(.object([])))])
      guard case .object(var members) = node.value else { return nil }
      let fault = set(path.dropFirst(), to: value, in: &members[1].value)
      node.value = .object(members)
      return fault
    }
  }
}
