// `tract-sim sweep`: a workload at every point of a grid.

import ArgumentParser
import Foundation
import JSONText
import Report
import Workload

struct SweepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sweep", abstract: "Run a workload at every point of a grid.",
    discussion: """
      Writes sweep.jsonl and sweep.csv, one row a point and system, as points are done, and in order \
      at the end; then summary.csv, with means over the seeds, 95 % confidence intervals and ratios \
      to the baseline.

      Examples:
        tract-sim sweep w.json --vary traffic.arrivals.rate_rps=0.5:4:0.5 --seeds 1..5 --output out
        tract-sim sweep w.json --vary rack.cxl.latency_ns=220,640 --vary rack.cxl.devices=1:8:x2 \
      --output out
        tract-sim sweep w.json --vary … --shard $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT \
      --output shard-$SLURM_ARRAY_TASK_ID

      To merge shards, put their sweep.jsonl together in one folder and run the sweep there with \
      --resume: nothing is left to do but to put the rows in order.
      """)

  @Argument(help: "Workload file.") var file: String
  @OptionGroup var options: WorkloadOptions
  @Option(
    help: ArgumentHelp(
      "A path of the file and its values; may be repeated.",
      discussion: "path=v1,v2,…, path=from..to, path=from:to:step or path=from:to:xfactor.",
      valueName: "path=values"))
  var vary: [String] = []
  @Option(help: "Seeds: 1..5 or 1,3,7.") var seeds: String?
  @Option(help: "Folder for sweep.jsonl, sweep.csv and summary.csv.") var output: String
  @Option(help: ArgumentHelp("Run a share of the points only.", valueName: "i/n"))
  var shard: String?
  @Flag(help: "Go on with what the folder holds.") var resume = false

  func run() throws {
    let grid: SweepGrid
    let share: SweepShard?
    do {
      var axes = try vary.map { try SweepAxis($0) }
      if let seeds { axes.append(try SweepAxis(seeds: seeds)) }
      grid = try SweepGrid(axes)
      share = try shard.map { try SweepShard($0) }
    } catch {
      throw ValidationError("\(error)")
    }
    // Every point is decoded before any runs: what is wrong with the last shows at once.
    let workloads = try (0..<grid.count).map { point in
      try options.load(file, overriding: grid.overrides(of: point))
    }
    try check(workloads)
    do {
      let files = try SweepFiles(folder: output, isResuming: resume, workloads)
      let done = files.done
      let open = workloads.indices.filter { point in
        share?.has(point) ?? true && !done.contains(point)
      }
      try run(open, workloads, grid, files)
      try files.finish(
        grid, systems: workloads.first?.systems.map(\.name) ?? [],
        baseline: workloads.first?.baseline ?? "")
      print("\(open.count) points run; \(output)/sweep.csv, sweep.jsonl, summary.csv")
    } catch let error as SweepError {
      throw Exit.fail(Exit.badInput, error.description)
    } catch let error as FileError {
      throw Exit.fail(Exit.cannotWrite, error.description)
    }
  }

  private func check(_ workloads: [Workload]) throws {
    let problems = workloads.flatMap(Comparison.obstacles)
    guard problems.isEmpty else {
      throw Exit.fail(Exit.badInput, WorkloadError(Array(problems.prefix(20))).description)
    }
  }

  /// Runs points, `jobs` at a time; rows of a point are written together.
  private func run(
    _ points: [Int], _ workloads: [Workload], _ grid: SweepGrid, _ files: SweepFiles
  ) throws {
    let line = Line(points, files)
    DispatchQueue.concurrentPerform(iterations: max(1, min(options.jobs, points.count))) { _ in
      while let point = line.next() {
        line.finish(
          Result {
            SweepRow.rows(
              try options.compare(workloads[point], jobs: 1), point: point, grid: grid)
          })
      }
    }
    try line.end()
  }

  /// Points still to run, and the files that take their rows.
  private final class Line: @unchecked Sendable {
    // All guarded by `lock`.
    private var points: ArraySlice<Int>
    private let files: SweepFiles
    private var failure: (any Error)?
    private let total: Int
    private let progress = ProgressLine.onTerminal("points")
    private let lock = NSLock()

    init(_ points: [Int], _ files: SweepFiles) {
      self.points = points[...]
      self.files = files
      total = points.count
    }

    func next() -> Int? { lock.withLock { failure == nil ? points.popFirst() : nil } }

    func finish(_ result: Result<[SweepRow], any Error>) {
      lock.withLock {
        do {
          try files.add(try result.get())
          progress?.add(1, of: total)
        } catch {
          failure = failure ?? error
        }
      }
    }

    func end() throws {
      progress?.end()
      if let failure { throw failure }
    }
  }
}
