// Traces in Mooncake's JSON lines, plain or compressed.

import EventKernel
import Foundation
import JSONText

/// Reads recorded requests.
///
/// A line is `{"timestamp": ms, "input_length": n, "output_length": n, "hash_ids": [...]}`; the ids
/// name prefix-chained blocks, as many as the input has, the last perhaps partial. `session_id`, a
/// number or a string, may name the conversation. `created_time`,
/// `input_tokens` and `output_tokens` are other names for the first three.
public enum TraceFile {
  /// Problems listed before the reader gives up on a file.
  private static var problemLimit: Int { 20 }

  /// The requests of a trace in its order, at their recorded times.
  /// - Parameter limit: lines to read, nil for all.
  public static func read(_ spec: Traffic.TraceSpec, limit: Int?) throws(WorkloadError)
    -> RequestStream
  {
    let bytes = try Decompressor.read(spec.path)
    let log = ProblemLog(file: spec.path)
    var stream = RequestStream(blockTokens: spec.blockTokens, requests: [])
    var line = 0
    var last = SimTime.zero
    var start = 0
    while start < bytes.count, stream.requests.count < limit ?? .max {
      let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
      line += 1
      let text = Array(bytes[start..<end])
      start = end + 1
      if text.allSatisfy({ $0 == 0x20 || $0 == 0x0D || $0 == 0x09 }) { continue }
      if let request = request(text, line: line, blockTokens: spec.blockTokens, log: log) {
        if request.arrival < last {
          log.add(
            line: line, path: "$.timestamp",
            "\(request.arrival.milliseconds) ms lies before the line above "
              + "(\(last.milliseconds) ms); sort the trace by time")
        }
        last = max(last, request.arrival)
        stream.requests.append(request)
      }
      if log.problems.count >= problemLimit { break }
    }
    guard log.problems.isEmpty else { throw WorkloadError(log.problems) }
    guard !stream.requests.isEmpty else {
      throw WorkloadError([
        Problem(
          file: spec.path, line: 0, path: "",
          message: "holds no requests; expected one JSON object a line")
      ])
    }
    return stream
  }

  private static func request(
    _ text: [UInt8], line: Int, blockTokens: Int, log: ProblemLog
  ) -> OfferedRequest? {
    let node: JSONNode
    do {
      node = try JSONParser.parse(text, firstLine: line)
    } catch {
      log.add(
        line: line, path: "", "not valid JSON at column \(error.column): \(error.message)")
      return nil
    }
    guard case .object = node.value else {
      log.add(line: line, path: "", "expected an object, found \(node.value.kind)")
      return nil
    }
    func integer(_ key: String, _ alias: String) -> Int? {
      guard let value = node[key] ?? node[alias] else {
        log.add(line: line, path: "$.\(key)", "is missing; a whole number is required")
        return nil
      }
      guard case .integer(let number) = value.value, number >= 1,
        number <= WorkloadDecoder.tokenLimit
      else {
        log.add(
          line: line, path: "$.\(key)",
          "expected a whole number from 1 to \(WorkloadDecoder.tokenLimit)")
        return nil
      }
      return number
    }
    guard let time = (node["timestamp"] ?? node["created_time"])?.value.double, time >= 0,
      time <= 1e12
    else {
      log.add(line: line, path: "$.timestamp", "expected milliseconds, 0 or more")
      return nil
    }
    guard let input = integer("input_length", "input_tokens"),
      let output = integer("output_length", "output_tokens")
    else { return nil }
    guard case .array(let elements)? = node["hash_ids"]?.value else {
      log.add(line: line, path: "$.hash_ids", "is missing; an array of block ids is required")
      return nil
    }
    var ids: [UInt64] = []
    ids.reserveCapacity(elements.count)
    for element in elements {
      guard case .integer(let id) = element.value, id >= 0 else {
        log.add(line: line, path: "$.hash_ids", "expected whole numbers, 0 or more")
        return nil
      }
      ids.append(UInt64(id))
    }
    let expected = (input + blockTokens - 1) / blockTokens
    guard ids.count == expected else {
      log.add(
        line: line, path: "$.hash_ids",
        "\(ids.count) ids for \(input) tokens; blocks of \(blockTokens) tokens need \(expected) "
          + "(is block_tokens right?)")
      return nil
    }
    return OfferedRequest(
      arrival: .zero + .milliseconds(time), inputTokens: input, outputTokens: output,
      promptIDs: ids, session: session(node["session_id"]))
  }

  /// A session's number, or a hash of its name.
  private static func session(_ node: JSONNode?) -> UInt64? {
    switch node?.value {
    case .integer(let number): UInt64(bitPattern: Int64(number))
    case .string(let name):
      StableHash.of(name.utf8)
    default: nil
    }
  }
}

/// Reads files, compressed ones through the system's own programs.
enum Decompressor {
  static func read(_ path: String) throws(WorkloadError) -> [UInt8] {
    func failure(_ message: String) -> WorkloadError {
      WorkloadError([Problem(file: path, line: 0, path: "", message: message)])
    }
    let program: String
    if path.hasSuffix(".xz") {
      program = "xz"
    } else if path.hasSuffix(".gz") {
      program = "gzip"
    } else {
      do {
        return try AtomicFile.read(path)
      } catch {
        throw failure("cannot be read: \(error.reason)")
      }
    }
    do {
      _ = try AtomicFile.read(path)
    } catch {
      throw failure("cannot be read: \(error.reason)")
    }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [program, "-dc", "--", path]
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    process.standardInput = FileHandle.nullDevice
    do {
      try process.run()
    } catch {
      throw failure("cannot be decompressed: \(error.localizedDescription)")
    }
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    switch process.terminationStatus {
    case 0: return [UInt8](data)
    case 127: throw failure("needs the program '\(program)'; install it or decompress the file")
    default: throw failure("'\(program) -dc' fails: the file is truncated or not in its format")
    }
  }
}
