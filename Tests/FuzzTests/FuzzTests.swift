// Damaged workload and trace files: refused in words or read, and nothing else.
//
// `TRACT_FUZZ_COUNT` cases (3000 without it) from seed `TRACT_FUZZ_SEED` (1) on. A case is its seed: a
// crash or a hang names it, and COUNT=1 repeats it.

import EventKernel
import Foundation
import JSONText
import Report
import Testing
import Workload

private let package = URL(fileURLWithPath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

private func setting(_ name: String, _ fallback: UInt64) -> UInt64 {
  ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) } ?? fallback
}

/// Says which seed is under way, also after a crash, and ends the process if one takes too long.
private final class Watch: @unchecked Sendable {
  private let lock = NSLock()
  private var seed: UInt64 = 0
  private var began = Date()
  private var isOver = false
  private let file: Int32
  let path: String

  init(_ folder: String) {
    path = folder + "/seed"
    file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0o600)
    Thread.detachNewThread { [self] in
      while lock.withLock({ !isOver }) {
        Thread.sleep(forTimeInterval: 1)
        lock.withLock {
          guard !isOver, Date().timeIntervalSince(began) > 300 else { return }
          FileHandle.standardError.write(Data("seed \(seed) takes more than 300 s\n".utf8))
          abort()
        }
      }
    }
  }

  func begin(_ seed: UInt64) {
    lock.withLock {
      self.seed = seed
      began = Date()
    }
    let text = Array("\(seed)\n".utf8)
    _ = pwrite(file, text, text.count, 0)
  }

  func end() {
    lock.withLock { isOver = true }
    close(file)
  }
}

/// What came of the cases.
private struct Tally {
  var workloads = 0
  var goodWorkloads = 0
  var runs = 0
  var traces = 0
  var goodTraces = 0
}

@Suite(.serialized) struct FuzzTests {
  private let workloads: [JSONNode]
  private let traces: [String]

  init() throws {
    workloads = try ["examples", "ci", "paper"].flatMap { folder in
      let path = package.appendingPathComponent("Workloads/\(folder)").path
      return try FileManager.default.contentsOfDirectory(atPath: path).sorted()
        .filter { $0.hasSuffix(".json") }.map {
          try JSONParser.parse(try AtomicFile.read("\(path)/\($0)"))
        }
    }
    traces = [
      """
      {"timestamp": 5, "input_length": 600, "output_length": 3, "hash_ids": [1, 2]}
      {"timestamp": 9, "input_length": 100, "output_length": 4, "hash_ids": [1], "session_id": "a"}
      {"session_id": "a", "delay": 500, "input_length": 1030, "output_length": 1, "hash_ids": [1, 2, 3]}
      """,
      "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,600,10\n"
        + "2024-01-01 00:00:00.0000001+00:00,5,8\n",
      "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
        + "5,1,2.5,ChatGPT,472,18,490,API log\n45,1,1,GPT-4,1087,0,1087,API log\n",
      """
      {"chat_id": 7, "parent_chat_id": -1, "timestamp": 1.5, "input_length": 33, "output_length": 3, \
      "type": "text", "turn": 1, "hash_ids": [4, 5, 6]}
      {"chat_id": 8, "parent_chat_id": 7, "timestamp": 2, "input_length": 40, "output_length": 3, \
      "type": "text", "turn": 2, "hash_ids": [4, 5]}
      """,
      """
      {"id": "a", "block_size": 64, "hash_id_scope": "local", "requests": [{"t": 0.0, "type": "s", \
      "in": 130, "out": 5, "hash_ids": [1, 2], "api_time": 2.5}, {"t": 3.0, "type": "subagent", \
      "requests": [{"t": 3.0, "type": "n", "in": 128, "out": 7, "hash_ids": [1, 9]}]}, \
      {"t": 10.5, "type": "s", "in": 200, "out": 6, "hash_ids": [1, 2, 3], "think_time": 8.0}]}
      """,
      "time_s,input_tokens,output_tokens,session_id\n0.5,100,7,a\n0.75,1000,8,a\n1,5,5,b\n",
    ]
  }

  @Test func nothingCrashesOrHangs() throws {
    // In memory where there is such a place: each trace is a file.
    let memory = "/dev/shm"
    let folder =
      (FileManager.default.isWritableFile(atPath: memory)
        ? memory : FileManager.default.temporaryDirectory.path) + "/tract-fuzz-\(getpid())"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let (first, count) = (setting("TRACT_FUZZ_SEED", 1), setting("TRACT_FUZZ_COUNT", 3000))
    let watch = Watch(folder)
    print("fuzz: seeds \(first) to \(first + count - 1); \(watch.path) holds the one under way")
    var tally = Tally()
    for seed in first..<(first + count) {
      watch.begin(seed)
      var mutator = Mutator(draws: Draws(seed), donors: workloads)
      if mutator.draws.chance(2) {
        workload(seed, &mutator, &tally)
      } else {
        try trace(seed, &mutator, folder, &tally)
      }
    }
    watch.end()
    // Only the file of the traces and that of the seed were written.
    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
    #expect(Set(names).isSubset(of: ["t", "seed"]))
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    let peak = usage.ru_maxrss >> 10
    print(
      "fuzz: \(tally.workloads) workloads (\(tally.goodWorkloads) good, \(tally.runs) of them run), "
        + "\(tally.traces) traces (\(tally.goodTraces) good), at most \(peak) MiB")
    // Of the whole process: other tests, if there are any, count in it.
    if ProcessInfo.processInfo.environment["TRACT_FUZZ_COUNT"] != nil { #expect(peak < 2048) }
    // A mutator that only ever breaks files would test the parser alone.
    guard count >= 1000 else { return }
    #expect(tally.goodWorkloads * 20 > tally.workloads && tally.goodTraces * 20 > tally.traces)
  }

  private func workload(_ seed: UInt64, _ mutator: inout Mutator, _ tally: inout Tally) {
    tally.workloads += 1
    var root = mutator.draws.pick(workloads)
    for _ in 0...mutator.draws.below(3) { root = mutator.mutate(root) }
    var bytes = Array(root.text(indented: mutator.draws.chance(2)).utf8)
    if mutator.draws.chance(4) { bytes = mutator.mutate(bytes: bytes) }
    let decoded: Workload
    do {
      decoded = try WorkloadFile.decode(bytes, name: "fuzz", folder: "/nowhere")
    } catch {
      #expect(!error.problems.isEmpty && !error.description.isEmpty, "seed \(seed)")
      return
    }
    tally.goodWorkloads += 1
    // Resolved, it reads as itself.
    let resolved = ResolvedWorkload.json(decoded).text(indented: true)
    let again = try? WorkloadFile.decode(
      Array(resolved.utf8), name: "resolved", folder: "/nowhere")
    #expect(
      again.map { ResolvedWorkload.json($0).text(indented: true) } == resolved, "seed \(seed)")
    if mutator.draws.chance(8) { run(decoded, seed, &tally) }
  }

  /// A few short requests of a good workload, in all of its systems.
  private func run(_ workload: Workload, _ seed: UInt64, _ tally: inout Tally) {
    var workload = workload
    workload.stop.requests = 6
    workload.stop.warmupRequests = 0
    guard workload.rack.hostCount <= 64 else { return }
    switch workload.traffic.source {
    case .fixed(let input, let output):
      workload.traffic.source = .fixed(
        inputTokens: min(input, 20_000), outputTokens: min(output, 8))
    case .synthetic(var spec):
      spec.inputTokens = min(spec.inputTokens, 20_000)
      spec.inputTokensDeviation = min(spec.inputTokensDeviation, 2000)
      spec.uniqueTokens = min(spec.uniqueTokens, spec.inputTokens)
      spec.outputTokens = min(spec.outputTokens, 8)
      spec.outputTokensDeviation = min(spec.outputTokensDeviation, 2)
      workload.traffic.source = .synthetic(spec)
    case .trace, .sessions: return
    }
    tally.runs += 1
    guard let comparison = try? Comparison(workload, jobs: 1) else { return }
    #expect(comparison.violations == [], "seed \(seed)")
  }

  private func trace(
    _ seed: UInt64, _ mutator: inout Mutator, _ folder: String, _ tally: inout Tally
  ) throws {
    tally.traces += 1
    var text = mutator.draws.pick(traces)
    for _ in 0..<mutator.draws.below(4) { text = mutator.mutate(lines: text) }
    var bytes = Array(text.utf8)
    if mutator.draws.chance(4) { bytes = mutator.mutate(bytes: bytes) }
    let path = folder + "/t"
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    var spec = Traffic.TraceSpec(path: path)
    if mutator.draws.chance(8) { spec.format = mutator.draws.pick(TraceFormat.allCases) }
    if mutator.draws.chance(8) { spec.blockTokens = mutator.draws.pick([1, 16, 512, 65_536]) }
    if mutator.draws.chance(8) { spec.fromSeconds = mutator.draws.pick([0.001, 1, 1e9]) }
    if mutator.draws.chance(8) { spec.sessions = 1 }
    let think = mutator.draws.chance(2) ? 3.0 : nil
    let arrivals = mutator.draws.pick(
      [
        .recorded, .poisson(ratePerSecond: 2), .closedLoop(concurrency: 2, thinkSeconds: 1),
        .sessions(.init(thinkSeconds: think)),
        .sessions(.init(concurrency: 2, thinkSeconds: think)),
        .sessions(.init(ratePerSecond: 1, thinkSeconds: think)),
      ] as [Traffic.Arrivals])
    let stream: RequestStream
    do {
      stream = try RequestStream.trace(
        spec, limit: mutator.draws.chance(4) ? 2 : nil, arrivals: arrivals, seed: seed)
    } catch {
      #expect(!error.problems.isEmpty && !error.description.isEmpty, "seed \(seed)")
      return
    }
    tally.goodTraces += 1
    #expect(!stream.requests.isEmpty, "seed \(seed)")
    for (index, request) in stream.requests.enumerated() {
      let blocks = (request.inputTokens + stream.blockTokens - 1) / stream.blockTokens
      #expect(request.promptIDs.count == blocks && request.outputTokens > 0, "seed \(seed)")
      #expect(request.follows.map { Int($0) < index } ?? true, "seed \(seed)")
    }
    let blocks = stream.requests.reduce(0) { $0 + $1.promptIDs.count }
    guard blocks < 100_000 else { return }
    let statistics = TraceStatistics(stream, seed: seed)
    let distances = statistics.distances
    #expect(distances.ratio(capacity: distances.distinct) == statistics.infinite, "seed \(seed)")
    #expect(!TraceReport(statistics).table.isEmpty)
  }
}
