// `run --timeline`: a trace that viewers accept, of a run that does not notice.

import Foundation
import JSONText
import Testing

@Suite struct TimelineTests {
  /// A run of two systems with a store, a cache and hand-overs.
  private static let run = [
    "run", "--systems", "nixl,tract", "--set", "stop.requests=60", "--set",
    "stop.warmup_requests=5",
  ]

  /// An event of the format.
  private struct Event {
    var phase: String
    var name: String
    var process: Int
    var track: Int
    /// Nanoseconds.
    var begin: Int
    var length: Int
    var node: JSONNode

    init(_ node: JSONNode) throws {
      func text(_ key: String) -> String {
        if case .string(let text)? = node[key]?.value { text } else { "" }
      }
      func nanoseconds(_ key: String) -> Int {
        Int(((node[key]?.value.double ?? 0) * 1000).rounded())
      }
      phase = text("ph")
      name = text("name")
      process = Int(try #require(node["pid"]?.value.double))
      track = Int(try #require(node["tid"]?.value.double))
      begin = nanoseconds("ts")
      length = nanoseconds("dur")
      self.node = node
      #expect(!name.isEmpty)
      #expect("MXCbestfi".contains(phase), "\(phase)")
      #expect(phase == "M" || node["ts"] != nil)
    }
  }

  private func events(_ path: String) throws -> [Event] {
    let root = try JSONParser.parse(try AtomicFile.read(path))
    guard case .array(let nodes)? = root["traceEvents"]?.value else {
      Issue.record("no events")
      return []
    }
    return try nodes.map { try Event($0) }
  }

  private func record(_ scratch: Scratch, _ name: String, _ more: [String] = []) throws -> String {
    let path = scratch.file(name)
    let result = try Command.run("tract-sim", Self.run + ["--timeline", path] + more)
    #expect(result.status == 0, "\(result.error)")
    return path
  }

  /// Viewers drop slices that overlap without being nested, and arrows that begin nowhere.
  @Test func viewersCanLoadIt() throws {
    let scratch = try Scratch()
    let all = try events(try record(scratch, "t.json"))
    let slices = Dictionary(grouping: all.filter { $0.phase == "X" }) { [$0.process, $0.track] }
    #expect(slices.count > 2 * 60)
    for track in slices.values {
      var open: [Int] = []
      for slice in track.sorted(by: { ($0.begin, -$0.length) < ($1.begin, -$1.length) }) {
        while let end = open.last, end <= slice.begin { open.removeLast() }
        if let end = open.last { #expect(slice.begin + slice.length <= end, "\(slice.name)") }
        open.append(slice.begin + slice.length)
      }
    }
    let arrows = Dictionary(grouping: all.filter { "stf".contains($0.phase) }) {
      $0.node["id"]?.value.double ?? -1
    }
    #expect(arrows.count == 2 * 60)
    for arrow in arrows.values {
      #expect(arrow.count { $0.phase == "s" } == 1 && arrow.count { $0.phase == "f" } == 1)
      #expect(arrow.min { $0.begin < $1.begin }?.phase == "s")
      for point in arrow {
        let track = slices[[point.process, point.track]] ?? []
        #expect(
          track.contains { $0.begin <= point.begin && point.begin <= $0.begin + $0.length },
          "every point lies in a slice")
      }
    }
    let spans = Dictionary(grouping: all.filter { "be".contains($0.phase) }) { event in
      event.node["id2"]?.text(indented: false) ?? "\(event.node)"
    }
    #expect(spans.values.allSatisfy { $0.map(\.phase).sorted() == ["b", "e"] })
    let groups = Set(all.filter { $0.phase == "M" }.map(\.process))
    #expect(all.allSatisfy { groups.contains($0.process) })
    // A thread of its process's number is merged with the main thread.
    #expect(slices.keys.allSatisfy { $0[0] < 1000 && $0[1] >= 1000 })
  }

  /// What the timeline shows is what the report adds up.
  @Test func engineSlicesAddUp() throws {
    let scratch = try Scratch()
    let path = try record(scratch, "t.json", ["--output", scratch.file("out")])
    let report = try JSONParser.parse(try AtomicFile.read(scratch.file("out/report.json")))
    guard case .array(let runs)? = report["runs"]?.value else { return }
    let all = try events(path)
    for (index, run) in runs.enumerated() {
      let engines = all.filter { $0.phase == "X" && $0.process == 1 + 5 * index }
      let requests = all.filter { $0.phase == "X" && $0.process == 2 + 5 * index }
      let last = try #require(requests.map { $0.begin + $0.length }.max())
      for worker in 0..<2 {
        let share = try #require(run["utilisation_host\(worker)_gpu"]?.value.double)
        let busy = engines.filter { $0.track == 1000 + worker }.reduce(0) { $0 + $1.length }
        #expect(abs(Double(busy) / Double(last) - share) < 1e-4, "\(index) \(worker)")
      }
    }
  }

  @Test func theRunDoesNotNotice() throws {
    let scratch = try Scratch()
    _ = try record(scratch, "t.json", ["--output", scratch.file("with")])
    let result = try Command.run("tract-sim", Self.run + ["--output", scratch.file("without")])
    #expect(result.status == 0)
    for name in ["report.json", "requests.jsonl", "series.csv"] {
      #expect(
        try AtomicFile.read(scratch.file("with/\(name)"))
          == AtomicFile.read(scratch.file("without/\(name)")), "\(name)")
    }
  }

  @Test func windowAndSamples() throws {
    let scratch = try Scratch()
    let window = ["--timeline-window", "20..30", "--timeline-every", "5"]
    let all = try events(try record(scratch, "w.json", window)).filter { $0.phase != "M" }
    let steps = all.filter { $0.phase == "X" && $0.process == 1 }
    #expect(!steps.isEmpty)
    #expect(steps.allSatisfy { $0.begin <= 30_000_000_000 })
    #expect(steps.allSatisfy { $0.begin + $0.length >= 20_000_000_000 })
    let requests = Set(all.filter { $0.phase == "X" && $0.process == 2 }.map { $0.track - 1000 })
    #expect(!requests.isEmpty && requests.allSatisfy { $0 % 5 == 0 })
  }

  @Test func compressed() throws {
    let scratch = try Scratch()
    let plain = try record(scratch, "plain.json")
    let packed = try record(scratch, "packed.json.gz")
    #expect(try AtomicFile.read(packed).prefix(2) == [0x1F, 0x8B])
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["gzip", "-d", packed]
    try process.run()
    process.waitUntilExit()
    #expect(try AtomicFile.read(plain) == AtomicFile.read(scratch.file("packed.json")))
  }

  @Test(arguments: [
    ["--timeline-window", "1..2"], ["--timeline-every", "2"],
    ["--timeline", "t.json", "--timeline-window", "2..1"],
    ["--timeline", "t.json", "--timeline-window", "now"],
    ["--timeline", "t.json", "--timeline-every", "0"],
  ]) func usage(_ arguments: [String]) throws {
    let result = try Command.run("tract-sim", ["run"] + arguments)
    #expect(result.status == 64, "\(result.error)")
  }

  @Test func nothingIsLeftOfAFailure() throws {
    let scratch = try Scratch()
    let absent = try Command.sim("run", "--timeline", scratch.file("no/t.json"))
    #expect(absent.status == 73, "\(absent.error)")
    let bad = try Command.sim(
      "run", "--timeline", scratch.file("t.json"), "--set", "stop.requests=0")
    #expect(bad.status == 65)
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.folder.path) == [])
  }
}
