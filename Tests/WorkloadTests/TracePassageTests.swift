// Traces too long to hold are read again as the run goes on: with the same requests.

import EventKernel
import Foundation
import Testing

@testable import Workload

@Suite struct TracePassageTests {
  private static let variants: [[String]] = [
    [],
    ["traffic.smear_ms=4000", "traffic.speedup=3"],
    ["traffic.from_s=20", "traffic.to_s=200", "traffic.smear_ms=900"],
    ["stop.requests=57"],
    ["traffic.sessions=5", "traffic.smear_ms=2500"],
    ["traffic.arrivals={\"process\":\"poisson\",\"rate_rps\":2}"],
    ["traffic.arrivals={\"process\":\"gamma\",\"rate_rps\":2,\"burstiness\":0.5}"],
    [
      "traffic.arrivals={\"process\":\"closed_loop\",\"concurrency\":3,\"think_time_s\":1}",
      "stop.requests=40",
    ],
  ]

  private static func workload(_ path: String, _ overrides: [String]) throws -> Workload {
    let text = """
      {"name": "t", "model": "llama-3.1-8b", "rack": {"preset": "h100-rack"},
       "systems": ["nixl"], "traffic": {"kind": "trace", "file": "\(path)"}}
      """
    return try WorkloadFile.decode(
      Array(text.utf8), name: "t", folder: "",
      overrides: overrides.compactMap { WorkloadFile.Override($0) })
  }

  private static func temporary(_ text: String) throws -> String {
    let path = FileManager.default.temporaryDirectory
      .appendingPathComponent("tract-passage-\(UUID().uuidString)").path
    try text.write(toFile: path, atomically: false, encoding: .utf8)
    return path
  }

  /// Rows at rising times, some at the same one.
  private static func mooncake(_ count: Int, seed: UInt64) -> String {
    var draws = DrawStream(seed: seed, name: "trace")
    var (time, text) = (7, "")
    for _ in 0..<count {
      time += draws.integer(below: 3) * draws.integer(below: 3000)
      let blocks = 1 + draws.integer(below: 4)
      let ids = (0..<blocks).map { "\($0 * 1000 + draws.integer(below: 3))" }
      text +=
        "{\"timestamp\": \(time), \"session_id\": \"s\(draws.integer(below: 9))\", "
        + "\"input_length\": \(512 * blocks - draws.integer(below: 500)), "
        + "\"output_length\": \(1 + draws.integer(below: 50)), "
        + "\"hash_ids\": [\(ids.joined(separator: ", "))]}\n"
    }
    return text
  }

  private static func expectSame(_ workload: Workload, passes: Bool = true) throws {
    let held = try RequestStream.generate(for: workload)
    let passing = try RequestStream.generate(for: workload, traceMemory: 0)
    if case .passing = passing.content { #expect(passes) } else { #expect(!passes) }
    if case .passing = held.content { Issue.record("a short trace is not held") }
    #expect(held.count == passing.count && held.blockTokens == passing.blockTokens)
    #expect(held.concurrency == passing.concurrency)
    // Read twice, as two systems would.
    for _ in 0..<2 {
      for (one, other) in zip(held.requests, passing.requests) {
        #expect(one.arrival == other.arrival && one.pause == other.pause)
        #expect(one.inputTokens == other.inputTokens && one.outputTokens == other.outputTokens)
        #expect(one.promptIDs == other.promptIDs && one.session == other.session)
        #expect(one.follows == other.follows)
      }
    }
  }

  @Test(arguments: variants.indices, 1...3) func requestsAreTheSame(
    variant: Int, seed: UInt64
  ) throws {
    let path = try Self.temporary(Self.mooncake(200, seed: seed))
    defer { try? FileManager.default.removeItem(atPath: path) }
    try Self.expectSame(try Self.workload(path, Self.variants[variant]))
  }

  @Test(arguments: [[], ["traffic.smear_ms=30000"]]) func lengthsShareNothing(
    _ overrides: [String]
  ) throws {
    let rows = (0..<50).map { "\(Double($0) * 0.5),\(100 + $0),\(1 + $0 % 7)\n" }
    let path = try Self.temporary("time_s,input_tokens,output_tokens\n" + rows.joined())
    defer { try? FileManager.default.removeItem(atPath: path) }
    try Self.expectSame(try Self.workload(path, overrides))
  }

  /// A row far down that waits for another's end: the trace is held after all.
  @Test func whatWaitsIsHeld() throws {
    let last =
      "{\"session_id\": \"s1\", \"delay\": 500, \"input_length\": 9, \"output_length\": 3, "
      + "\"hash_ids\": [5]}\n"
    let path = try Self.temporary(Self.mooncake(100, seed: 1) + last)
    defer { try? FileManager.default.removeItem(atPath: path) }
    let workload = try Self.workload(path, [])
    try Self.expectSame(workload, passes: false)
    #expect(try RequestStream.generate(for: workload).requests.contains { $0.follows != nil })
  }

  @Test func problemsAreFoundBeforeTheRun() throws {
    let path = try Self.temporary(
      Self.mooncake(100, seed: 1) + "{\"timestamp\": 1, \"input_length\": 5}\n")
    defer { try? FileManager.default.removeItem(atPath: path) }
    let workload = try Self.workload(path, [])
    let held = #expect(throws: WorkloadError.self) { try RequestStream.generate(for: workload) }
    let passing = #expect(throws: WorkloadError.self) {
      try RequestStream.generate(for: workload, traceMemory: 0)
    }
    #expect(held?.description == passing?.description)
    #expect(held?.description.contains(":101") == true, "\(held?.description ?? "")")
  }
}
