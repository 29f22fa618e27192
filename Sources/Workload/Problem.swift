// What can be wrong with a workload or trace file, and where.

/// One finding in a file.
public struct Problem: Hashable, Sendable, CustomStringConvertible {
  public var file: String
  /// 1 is the first line; 0 if the finding has no line.
  public var line: Int
  /// JSON path, such as `$.rack.cxl.latency_ns`; empty if there is none.
  public var path: String
  /// What was found and what is allowed.
  public var message: String

  public init(file: String, line: Int, path: String, message: String) {
    self.file = file
    self.line = line
    self.path = path
    self.message = message
  }

  public var description: String {
    let place = line > 0 ? "\(file):\(line)" : file
    return path.isEmpty ? "\(place): \(message)" : "\(place): \(path): \(message)"
  }
}

/// A file that cannot be used, with every problem found in one pass.
public struct WorkloadError: Error, CustomStringConvertible {
  public var problems: [Problem]

  public init(_ problems: [Problem]) { self.problems = problems }

  public var description: String { problems.map(\.description).joined(separator: "\n") }
}

/// Collects problems while a file is read.
final class ProblemLog {
  let file: String
  private(set) var problems: [Problem] = []

  init(file: String) { self.file = file }

  func add(line: Int, path: String, _ message: String) {
    problems.append(Problem(file: file, line: line, path: path, message: message))
  }
}
