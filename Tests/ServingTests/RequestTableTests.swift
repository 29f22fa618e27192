// Requests come and go; what a run keeps of them is a window.

import EventKernel
import Foundation
import Report
import Testing
import Workload

@testable import Serving

@Suite struct RequestTableTests {
  @Test func keepsWhatIsSetAndForgetsWhatIsDropped() {
    var table = RequestTable(0)
    #expect(table[5] == 0 && table[1 << 40] == 0)
    for request in 0..<100 { table[request] = request + 1 }
    #expect((0..<100).allSatisfy { table[$0] == $0 + 1 })
    table.drop(before: 60)
    #expect(table.first == 60 && table[60] == 61)
    // The ring comes round: nothing of the dropped is left.
    for request in 100..<190 { #expect(table[request] == 0) }
    table[187] = 7
    table.drop(before: 200)
    #expect((200..<400).allSatisfy { table[$0] == 0 })
  }

  /// Requests overtake each other within a window; a dictionary says the same.
  @Test(arguments: 0..<10) func agreesWithADictionary(seed: Int) {
    var draws = DrawStream(seed: UInt64(seed), name: "request table")
    var table = RequestTable(-1)
    var reference: [Int: Int] = [:]
    var first = 0
    for step in 0..<2000 {
      let request = first + draws.integer(below: 300)
      if draws.integer(below: 8) == 0 {
        first += draws.integer(below: 40)
        table.drop(before: first)
        reference = reference.filter { $0.key >= first }
      } else if draws.integer(below: 3) == 0 {
        table[request] = step
        reference[request] = step
      }
      let probe = first + draws.integer(below: 600)
      #expect(table[probe] == reference[probe] ?? -1)
    }
  }
}

private func quickstart(_ overrides: [String]) throws -> Workload {
  try WorkloadFile.decode(
    Quickstart.bytes, name: "quickstart", folder: "",
    overrides: overrides.compactMap { WorkloadFile.Override($0) })
}

/// Lines written while the run goes on are those of the records kept, whatever overtakes whatever.
@Test(arguments: 1...3) func loggedRequestsAreThoseKept(jobs: Int) throws {
  let workload = try quickstart([
    #"systems=["aggregated", "nixl", "lmcache", "tract", "mooncake", "beluga"]"#,
    "stop.requests=60", "stop.warmup_requests=7",
  ])
  let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("tract-log-\(UUID().uuidString)").path
  defer { try? FileManager.default.removeItem(atPath: folder) }
  let kept = try Comparison(workload, jobs: jobs)
  let logged = try Comparison(
    workload, jobs: jobs, keeping: Comparison.Keeping(records: false, log: folder))
  #expect(logged.runs.allSatisfy { $0.requests.isEmpty })
  #expect(ReportFiles.csv(kept) == ReportFiles.csv(logged))
  try ReportFiles.write(logged, to: folder)
  let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  #expect(
    names == ["report.csv", "report.json", "requests.jsonl", "series.csv", "workload.json"])
  let lines = try String(contentsOfFile: "\(folder)/requests.jsonl", encoding: .utf8)
  #expect(lines == ReportFiles.requests(kept))
}

/// A run whose log nobody puts into its place leaves no file.
@Test func anUnusedLogLeavesNothing() throws {
  let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("tract-log-\(UUID().uuidString)").path
  defer { try? FileManager.default.removeItem(atPath: folder) }
  do {
    _ = try Comparison(
      try quickstart(["stop.requests=5", "stop.warmup_requests=0"]), jobs: 1,
      keeping: Comparison.Keeping(records: false, log: folder))
  }
  #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
}
