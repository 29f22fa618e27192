// `tract-sim capacity`: how much traffic a rack takes, and the cheapest rack for some traffic.

import ArgumentParser
import Foundation
import JSONText
import Report
import Workload

struct CapacityCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "capacity",
    abstract: "The highest rate of requests that meets the service levels, for each system.",
    discussion: """
      Doubles or halves the workload's rate until the limits hold on one side and not on the other, \
      then bisects. Every rate and system is tried with the same seeds, and a limit is held against \
      the mean over them. A recorded trace is sped up or slowed down.

      With --vary, for each combination of values. With --rate too: the cheapest combination that \
      meets the limits at that rate, by the file's "prices", trying them in order of price.

      Runs must be long: requests that arrive in a burst shorter than the limits meet them at any \
      rate. Compare the columns of rate and throughput.

      Examples:
        tract-sim capacity w.json --slo ttft_ms=2000 --slo tpot_ms=50 --seeds 1..3
        tract-sim capacity w.json --goodput 0.95 --vary rack.cxl.devices=1,2,4
        tract-sim capacity w.json --rate 12 --vary rack.prefill.count=1..8 --vary rack.decode.count=1..8
      """)

  enum Format: String, CaseIterable, ExpressibleByArgument { case table, json, csv }

  @Argument(help: "Workload file.") var file: String
  @OptionGroup var options: WorkloadOptions
  @Option(
    help: ArgumentHelp(
      "A limit instead of the file's slo; may be repeated.", valueName: "ttft_ms=4000"))
  var slo: [String] = []
  @Option(help: "Percentile that must be within the limits: 90, 95 or 99 (default: 99).")
  var percentile: Int?
  @Option(
    help: ArgumentHelp("Share of requests that must meet all limits, instead.", valueName: "share"))
  var goodput: Double?
  @Option(help: "Seeds: 1..5 or 1,3,7; the file's without it.") var seeds: String?
  @Option(help: ArgumentHelp("How closely rates are found.", valueName: "2%")) var tolerance = "2%"
  @Option(
    help: ArgumentHelp(
      "A path of the file and its values, as in sweep; may be repeated.",
      valueName: "path=values"))
  var vary: [String] = []
  @Option(help: ArgumentHelp("Find the cheapest choice for this rate.", valueName: "requests/s"))
  var rate: Double?
  @Option(help: "table, json or csv.") var format = Format.table

  func validate() throws {
    if percentile != nil, goodput != nil {
      throw ValidationError("give --percentile or --goodput, not both")
    }
    guard [90, 95, 99].contains(percentile ?? 99) else {
      throw ValidationError("'--percentile' must be 90, 95 or 99")
    }
    guard goodput.map({ $0 > 0 && $0 <= 1 }) ?? true else {
      throw ValidationError("'--goodput' must be above 0 and at most 1")
    }
    guard rate.map({ $0 > 0 && $0 <= 1e6 }) ?? true else {
      throw ValidationError("'--rate' must be above 0 and at most 1000000")
    }
  }

  func run() throws {
    let grid: SweepGrid
    do {
      grid = try SweepGrid(try vary.map { try SweepAxis($0) })
    } catch {
      throw ValidationError("\(error)")
    }
    let limits = try slo.map { text in
      guard let override = WorkloadFile.Override("slo.\(text)") else {
        throw ValidationError("'--slo \(text)' has no '='; write --slo ttft_ms=4000")
      }
      return override
    }
    let workloads = try (0..<grid.count).map { point in
      try options.load(file, overriding: limits + grid.overrides(of: point))
    }
    let rule = try rule(workloads[0])
    let problems = workloads.flatMap(Comparison.obstacles)
    guard problems.isEmpty else {
      throw Exit.fail(Exit.badInput, WorkloadError(Array(problems.prefix(20))).description)
    }
    if rate != nil, grid.count > 1, workloads[0].prices == nil {
      throw Exit.fail(
        Exit.badInput, "\(file): prices are missing, which say what the cheapest rack is")
    }
    let rows: [CapacityRow]
    do {
      rows =
        try rate.map { try cheapest(workloads, grid, rule, rate: $0) }
        ?? capacities(workloads, grid, rule)
    } catch let error as CapacityError {
      throw Exit.fail(Exit.badInput, error.description)
    } catch let error as WorkloadError {
      throw Exit.fail(Exit.badInput, error.description)
    }
    show(rows, workloads[0], rule)
    if rate != nil, !rows.contains(where: { $0.best != nil }) { throw Exit.unmet }
  }

  private func rule(_ workload: Workload) throws -> CapacityRule {
    guard case .relative(let share)? = Tolerance(tolerance), share > 0, share < 1 else {
      throw ValidationError("'--tolerance \(tolerance)' is not a share such as 2%")
    }
    var seeds = [workload.seed]
    if let text = self.seeds {
      do {
        seeds = try SweepAxis(seeds: text).values.compactMap { UInt64($0) }
      } catch {
        throw ValidationError("\(error)")
      }
    }
    return CapacityRule(
      measure: goodput.map { .goodputShare($0) } ?? .percentile(percentile ?? 99), seeds: seeds,
      tolerance: share)
  }

  private func search(
    _ workload: Workload, _ system: SystemSpec, _ rule: CapacityRule, jobs: Int
  ) throws -> CapacitySearch {
    try CapacitySearch(workload, system: system, rule: rule, jobs: jobs) {
      try options.compare($0, jobs: 1).metrics[0]
    }
  }

  private func choices(_ grid: SweepGrid, _ point: Int) -> [(path: String, value: String)] {
    zip(grid.axes, grid.values(of: point)).map { ($0.path, $1) }
  }

  /// The highest rate of every system at every point.
  private func capacities(
    _ workloads: [Workload], _ grid: SweepGrid, _ rule: CapacityRule
  ) throws -> [CapacityRow] {
    let tasks = workloads.indices.flatMap { point in
      workloads[point].systems.map { (point: point, system: $0) }
    }
    let width = min(options.jobs, tasks.count)
    return try Parallel.map(tasks.count, width: width) { index in
      let (point, system) = tasks[index]
      let finding = try search(
        workloads[point], system, rule, jobs: max(1, options.jobs / width)
      ).search()
      return CapacityRow(
        choices: choices(grid, point), system: system.name,
        price: workloads[point].price(of: system), best: finding.best, beyond: finding.beyond)
    }
  }

  /// For every system the cheapest point at which `rate` is within the limits, or the dearest
  /// that was tried.
  private func cheapest(
    _ workloads: [Workload], _ grid: SweepGrid, _ rule: CapacityRule, rate: Double
  ) throws -> [CapacityRow] {
    let names = workloads[0].systems.map(\.name)
    let width = min(options.jobs, names.count)
    return try Parallel.map(names.count, width: width) { index in
      let offers = workloads.indices.compactMap { point in
        workloads[point].systems.first { $0.name == names[index] }.map { system in
          (point: point, system: system, price: workloads[point].price(of: system) ?? 0)
        }
      }.sorted { ($0.price, $0.point) < ($1.price, $1.point) }
      var row: CapacityRow?
      for offer in offers {
        let trial = try search(
          workloads[offer.point], offer.system, rule, jobs: max(1, options.jobs / width)
        ).trial(at: rate)
        let isMet = trial.excess == nil
        row = CapacityRow(
          choices: choices(grid, offer.point), system: names[index],
          price: workloads[offer.point].price(of: offer.system), best: isMet ? trial : nil,
          beyond: isMet ? nil : trial)
        if isMet { break }
      }
      guard let row else {
        throw CapacityError("no choice has a system named \"\(names[index])\"")
      }
      return row
    }
  }

  private func show(_ rows: [CapacityRow], _ workload: Workload, _ rule: CapacityRule) {
    let limits = workload.slo.map(rule.text) ?? ""
    switch format {
    case .csv: print(CapacityReport.csv(rows), terminator: "")
    case .json:
      print(CapacityReport.json(rows, rule: limits, name: workload.name).text(indented: true))
    case .table:
      let aim =
        rate.map { "the cheapest rack for \($0) requests/s" }
        ?? "the highest rate within \(tolerance)"
      print("\(workload.name): \(aim)\n\(limits)\n")
      print(CapacityReport.table(rows), terminator: "")
    }
  }
}
