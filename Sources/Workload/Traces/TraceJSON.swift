// Traces as JSON: Mooncake's and Bailian's lines, kv-cache-tester's sessions.

import EventKernel
import JSONText

/// Reads the rows of a JSON trace.
struct TraceJSON {
  private let format: TraceFormat
  /// Tokens per hash id that the workload asks for; nil takes the format's or the file's.
  private let blockTokens: Int?
  private let log: ProblemLog
  /// The session of each chat (Bailian).
  private var roots: [Int: UInt64] = [:]

  init(_ format: TraceFormat, blockTokens: Int?, log: ProblemLog) {
    self.format = format
    self.blockTokens = blockTokens
    self.log = log
  }

  /// Adds what a text holds to `trace`: one request, or a session's.
  mutating func read(_ text: ArraySlice<UInt8>, line: Int, into trace: inout TraceRows) {
    let node: JSONNode
    do {
      node = try JSONParser.parse(Array(text), firstLine: line)
    } catch {
      log.add(
        line: line, path: "", "not valid JSON at column \(error.column): \(error.message)")
      return
    }
    guard case .object = node.value else {
      log.add(line: line, path: "", "expected an object, found \(node.value.kind)")
      return
    }
    switch format {
    case .bailian:
      if let row = bailian(node, line, row: trace.rows.count) { trace.append(row) }
    case .kvCacheTester: session(node, line, into: &trace)
    default: if let row = mooncake(node, line) { trace.append(row) }
    }
  }

  private func problem(_ line: Int, _ path: String, _ message: String) {
    log.add(line: line, path: path, message)
  }

  /// A token count of 1 or more.
  private func tokens(_ node: JSONNode, _ keys: [String], _ line: Int, path: String = "$")
    -> Int?
  {
    guard let value = keys.lazy.compactMap({ node[$0] }).first else {
      problem(line, "\(path).\(keys[0])", "is missing; a whole number is required")
      return nil
    }
    guard case .integer(let number) = value.value, number >= 1,
      number <= WorkloadDecoder.tokenLimit
    else {
      problem(
        line, "\(path).\(keys[0])",
        "expected a whole number from 1 to \(WorkloadDecoder.tokenLimit)")
      return nil
    }
    return number
  }

  private func time(
    _ node: JSONNode?, inMilliseconds: Bool = false, _ line: Int, _ path: String
  ) -> Int128? {
    guard let value = node?.value.double, value >= 0, value <= 1e12 else {
      problem(line, path, "expected \(inMilliseconds ? "milliseconds" : "seconds"), 0 or more")
      return nil
    }
    return Int128((value * (inMilliseconds ? 1e9 : 1e12)).rounded())
  }

  private func ids(_ node: JSONNode?, _ line: Int, _ path: String) -> [UInt64]? {
    guard case .array(let elements)? = node?.value else {
      problem(line, path, "is missing; an array of block ids is required")
      return nil
    }
    var ids: [UInt64] = []
    ids.reserveCapacity(elements.count)
    for element in elements {
      guard case .integer(let id) = element.value, id >= 0 else {
        problem(line, path, "expected whole numbers, 0 or more")
        return nil
      }
      ids.append(UInt64(id))
    }
    return ids
  }

  /// Ids that name one block each become names of all up to them.
  private func chained(_ ids: [UInt64], after seed: UInt64) -> [UInt64] {
    var name = seed
    return ids.map {
      name = StableHash.spread(name ^ StableHash.spread($0 &+ 0x9E37_79B9_7F4A_7C15))
      // The highest bit marks blocks that nothing shares.
      return name & ~RequestStream.uniqueMark
    }
  }

  /// A session's number, or a hash of its name.
  private func name(_ node: JSONNode?) -> UInt64? {
    switch node?.value {
    case .integer(let number): UInt64(bitPattern: Int64(number))
    case .string(let name): StableHash.of(name.utf8)
    default: nil
    }
  }

  // MARK: Formats

  private func mooncake(_ node: JSONNode, _ line: Int) -> TraceRow? {
    func given(_ key: String) -> JSONNode? {
      node[key].flatMap { if case .null = $0.value { nil } else { $0 } }
    }
    let delay = given("delay") ?? given("delay_ms")
    let stamp = given("timestamp") ?? given("created_time")
    var instant: Int128?
    var think: Double?
    let session = name(node["session_id"])
    if let delay, session != nil {
      guard let value = delay.value.double, value >= 0, value <= 1e9 else {
        problem(line, "$.delay", "expected milliseconds, 0 or more")
        return nil
      }
      think = value / 1e3
    }
    // Without a session nothing else can say when.
    if stamp != nil || session == nil {
      guard let value = time(stamp, inMilliseconds: true, line, "$.timestamp") else { return nil }
      instant = value
    }
    guard let input = tokens(node, ["input_length", "input_tokens"], line),
      let output = tokens(node, ["output_length", "output_tokens"], line),
      let ids = ids(node["hash_ids"], line, "$.hash_ids")
    else { return nil }
    let block = blockTokens ?? format.blockTokens
    let expected = (input + block - 1) / block
    guard ids.count == expected else {
      problem(
        line, "$.hash_ids",
        "\(ids.count) ids for \(input) tokens; blocks of \(block) tokens need \(expected) "
          + "(is block_tokens right?)")
      return nil
    }
    return TraceRow(
      line: line, time: instant, inputTokens: input, outputTokens: output, ids: ids,
      session: session, thinkSeconds: think)
  }

  private mutating func bailian(_ node: JSONNode, _ line: Int, row: Int) -> TraceRow? {
    guard case .integer(let chat)? = node["chat_id"]?.value else {
      problem(line, "$.chat_id", "is missing; a whole number is required")
      return nil
    }
    guard let instant = time(node["timestamp"], line, "$.timestamp"),
      let input = tokens(node, ["input_length"], line),
      let output = tokens(node, ["output_length"], line),
      let ids = ids(node["hash_ids"], line, "$.hash_ids")
    else { return nil }
    var session = UInt64(bitPattern: Int64(chat))
    if case .integer(let parent)? = node["parent_chat_id"]?.value, parent >= 0 {
      session = roots[parent] ?? UInt64(bitPattern: Int64(parent))
    }
    roots[chat] = session
    guard
      let ids = fitted(
        chained(ids, after: 0), input, blockTokens ?? format.blockTokens, row: row, line,
        "$.hash_ids")
    else { return nil }
    return TraceRow(
      line: line, time: instant, inputTokens: input, outputTokens: output, ids: ids,
      session: session)
  }

  /// Ids of full blocks, or of all; a partial last block without one gets a name of its own.
  private func fitted(
    _ ids: [UInt64], _ input: Int, _ block: Int, row: Int, _ line: Int, _ path: String
  ) -> [UInt64]? {
    let all = (input + block - 1) / block
    guard ids.count == all || ids.count == input / block else {
      problem(
        line, path,
        "\(ids.count) ids for \(input) tokens; blocks of \(block) tokens need \(input / block) or "
          + "\(all) (is block_tokens right?)")
      return nil
    }
    return ids.count == all ? ids : ids + [RequestStream.uniqueID(row, ids.count)]
  }

  /// One session of kv-cache-tester; requests of subagents are conversations of their own, which
  /// share the session's blocks.
  private func session(_ node: JSONNode, _ line: Int, into trace: inout TraceRows) {
    let scope = node["hash_id_scope"]
    guard let session = name(node["id"]) else {
      problem(line, "$.id", "is missing; a session has a name")
      return
    }
    guard case .array(let requests)? = node["requests"]?.value else {
      problem(line, "$.requests", "is missing; an array of requests is required")
      return
    }
    var block = blockTokens ?? format.blockTokens
    if case .integer(let size)? = node["block_size"]?.value {
      guard (1...65_536).contains(size) else {
        problem(line, "$.block_size", "\(size) is out of range; allowed are 1 to 65536")
        return
      }
      block = size
    }
    if trace.rows.isEmpty {
      trace.blockTokens = block
    } else if block != trace.blockTokens {
      problem(
        line, "$.block_size", "\(block) differs from \(trace.blockTokens) of the sessions before")
      return
    }
    trace.hasClockPerSession = true
    let isLocal = if case .string("global")? = scope?.value { false } else { true }
    turns(
      requests, of: session, seed: isLocal ? session | 1 : 0, line, path: "$.requests", depth: 0,
      into: &trace)
  }

  private func turns(
    _ requests: [JSONNode], of session: UInt64, seed: UInt64, _ line: Int, path: String,
    depth: Int, into trace: inout TraceRows
  ) {
    let block = trace.blockTokens
    // End of the request before, seconds of the session.
    var end: Double?
    for (index, node) in requests.enumerated() {
      let path = "\(path)[\(index)]"
      guard log.problems.count < TraceFile.problemLimit else { return }
      if case .array(let inner)? = node["requests"]?.value {
        guard depth < 8 else {
          problem(line, path, "subagents are nested deeper than 8 levels")
          return
        }
        let agent = StableHash.spread(session ^ UInt64(trace.rows.count + 1))
        turns(inner, of: agent, seed: seed, line, path: path, depth: depth + 1, into: &trace)
        continue
      }
      guard let instant = time(node["t"], line, "\(path).t") else { continue }
      // An answer of no tokens is one that failed.
      if case .integer(0)? = node["out"]?.value {
        trace.failed += 1
        continue
      }
      guard let input = tokens(node, ["in"], line, path: path),
        let output = tokens(node, ["out"], line, path: path)
      else { continue }
      let start = Double(instant) * 1e-12
      let recorded = node["think_time"]?.value.double
      let think = recorded ?? end.map { start - $0 }
      end = start + max(0, node["api_time"]?.value.double ?? 0)
      var row = TraceRow(
        line: line, time: instant, inputTokens: input, outputTokens: output, session: session,
        thinkSeconds: think.map { min(max(0, $0), 1e9) })
      if node["hash_ids"] != nil {
        guard let given = ids(node["hash_ids"], line, "\(path).hash_ids"),
          let ids = fitted(
            chained(given, after: seed), input, block, row: trace.rows.count, line,
            "\(path).hash_ids")
        else { continue }
        row.ids = ids
      }
      trace.append(row)
    }
  }
}
