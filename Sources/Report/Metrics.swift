// What a run's facts add up to, under the names load generators use.

import EventKernel
import JSONText
import Rack
import Serving
import Workload

/// One system's figures.
///
/// TTFT runs from the client's arrival to the first token that leaves the worker which emits it;
/// TPOT is (end-to-end − TTFT) / (output − 1) and leaves one-token requests out; ITL pools the gaps
/// between all tokens of all requests. Percentiles interpolate linearly as numpy's default;
/// deviations are of the population. Warm-up requests count in no figure but `itl`, `bytes`,
/// `utilisation`, `energy`, `power` and `store`, which are the whole run's.
public struct Metrics: Sendable {
  /// Figures by key, in the order in which reports print them.
  public private(set) var values: [(key: String, value: Double)] = []
  public let system: String
  public private(set) var failures: [(reason: String, count: Int)] = []

  /// The figure named `key`, or nil.
  public subscript(key: String) -> Double? { values.first { $0.key == key }?.value }

  /// Definitions that a report carries along.
  public static var definitions: [(key: String, text: String)] {
    [
      ("ttft", "client arrival to first token leaving the worker that emits it, ms"),
      ("tpot", "(e2el - ttft) / (output tokens - 1), requests of one token left out, ms"),
      ("itl", "gaps between tokens, pooled over the whole run, ms"),
      ("e2el", "client arrival to last token, ms"),
      ("prefill_latency", "client arrival to the last prompt token computed, ms"),
      ("percentiles", "linear interpolation between order statistics (numpy default)"),
      ("std", "population standard deviation"),
      ("duration", "first counted arrival to last counted end, s"),
      (
        "energy",
        "GPUs, hosts, NICs, CXL devices and transfers over the whole run, idle power included, J; per request and token: over all that completed"
      ),
    ]
  }

  /// Definitions beside those, for workloads with faults.
  public static var faultDefinitions: [(key: String, text: String)] {
    [
      (
        "requests_recomputed",
        "requests begun anew because a crash took their KV or worker; their other figures are of the last attempt"
      ),
      ("requests_failed_by_faults", "requests that found no worker of a role up, whole run"),
      ("tokens_lost", "tokens whose KV was computed or generated in attempts that came to nothing"),
      ("bytes_lost", "bytes moved by transfers cut short and by attempts that came to nothing"),
      (
        "recovery_time",
        "crash of a node until another has cleared its traces in the store away, ms"
      ),
      ("store_fences", "nodes that the lock manager declared dead"),
      ("store_manager_changes", "times a standby took over from the lock manager"),
      (
        "store_stalled_operations",
        "store operations longer than an eighth of a lease: they waited for the dead or for a link"
      ),
      ("utilisation", "of the capacity without faults"),
    ]
  }

  public init(_ run: RunResult, _ workload: Workload) {
    system = run.system.name
    // Copied only where some do not count.
    let warmup = workload.stop.warmupRequests
    let counted = warmup == 0 ? run.requests : Array(run.requests.dropFirst(warmup))
    let completed =
      counted.allSatisfy { $0.outcome == .completed }
      ? counted : counted.filter { $0.outcome == .completed }
    addCounts(counted, completed, workload)
    add(
      "ttft", completed.compactMap { r in r.firstToken.map { ($0 - r.arrival).milliseconds } },
      percents: [5, 25, 75, 90, 95, 99])
    add("tpot", completed.compactMap(Self.tpot))
    addInterToken(run)
    add("e2el", completed.compactMap { r in r.finished.map { ($0 - r.arrival).milliseconds } })
    add(
      "prefill_latency",
      completed.compactMap { r in r.prefillDone.map { ($0 - r.arrival).milliseconds } })
    addBreakdown("prefill", completed.map(\.prefill))
    addBreakdown("decode", completed.map(\.decode))
    for path in run.bytes { values.append(("bytes_\(path.path)", Double(path.bytes))) }
    for resource in run.resources where resource.utilisation > 0 {
      values.append(("utilisation_\(resource.name)", resource.utilisation))
    }
    add(run.energy, run, workload)
    if let store = run.store { add(store) }
    if let faults = run.faults {
      let hasManager = [.tract, .tractNoCache].contains(run.system.base)
      add(faults, counted, hasManager: hasManager)
    }
    countFailures(counted)
  }

  /// Time per output token of one request, ms; nil for one token.
  static func tpot(_ record: RequestRecord) -> Double? {
    guard record.outputTokens > 1, let first = record.firstToken, let end = record.finished else {
      return nil
    }
    return (end - first).milliseconds / Double(record.outputTokens - 1)
  }

  private mutating func addCounts(
    _ counted: [RequestRecord], _ completed: [RequestRecord], _ workload: Workload
  ) {
    let begin = counted.map(\.arrival).min() ?? .zero
    let end = counted.compactMap(\.finished).max() ?? begin
    let duration = (end - begin).seconds
    let input = completed.reduce(0) { $0 + $1.inputTokens }
    let output = completed.reduce(0) { $0 + $1.outputTokens }
    let cached = completed.reduce(0) { $0 + $1.cachedTokens }
    var (peak, requestSeconds) = (0, 0.0)
    Concurrency.forEachInterval(of: counted) { present, span in
      peak = max(peak, present)
      requestSeconds += Double(present) * span.seconds
    }
    values += [
      ("completed", Double(completed.count)),
      ("failed", Double(counted.count - completed.count)),
      ("duration", duration),
      ("total_input_tokens", Double(input)),
      ("total_output_tokens", Double(output)),
      ("request_throughput", Double(completed.count) / duration),
      ("output_throughput", Double(output) / duration),
      ("total_token_throughput", Double(input + output) / duration),
      ("max_concurrent_requests", Double(peak)),
      ("mean_concurrent_requests", requestSeconds / duration),
      ("prefix_cache_reused_ratio", input > 0 ? Double(cached) / Double(input) : .nan),
      ("preemptions", Double(counted.reduce(0) { $0 + $1.preemptions })),
    ]
    if let slo = workload.slo {
      let good = completed.count { Self.meets(slo, $0) }
      values.append(("request_goodput", Double(good) / duration))
    }
  }

  private static func meets(_ slo: ServiceLevel, _ record: RequestRecord) -> Bool {
    guard let first = record.firstToken, let end = record.finished else { return false }
    if let limit = slo.ttftSeconds, (first - record.arrival).seconds > limit { return false }
    if let limit = slo.e2eSeconds, (end - record.arrival).seconds > limit { return false }
    if let limit = slo.tpotSeconds, let tpot = tpot(record), tpot / 1e3 > limit { return false }
    return true
  }

  private mutating func add(
    _ name: String, _ samples: [Double], percents: [Int] = [90, 95, 99]
  ) {
    let sorted = samples.sorted()
    values += [
      ("mean_\(name)_ms", Statistics.mean(sorted)),
      ("median_\(name)_ms", Statistics.quantile(sorted: sorted, 0.5)),
      ("std_\(name)_ms", Statistics.populationDeviation(sorted)),
    ]
    for percent in percents {
      values.append(
        ("p\(percent)_\(name)_ms", Statistics.quantile(sorted: sorted, Double(percent) / 100)))
    }
  }

  private mutating func addInterToken(_ run: RunResult) {
    let milliseconds = 1e-9
    let quantiles = run.tokenGaps.quantiles([0.5, 0.9, 0.95, 0.99])
    values += [
      ("mean_itl_ms", run.tokenGaps.mean * milliseconds),
      ("median_itl_ms", quantiles[0] * milliseconds),
      ("std_itl_ms", run.tokenGaps.populationDeviation * milliseconds),
      ("p90_itl_ms", quantiles[1] * milliseconds), ("p95_itl_ms", quantiles[2] * milliseconds),
      ("p99_itl_ms", quantiles[3] * milliseconds),
    ]
  }

  private mutating func addBreakdown(_ side: String, _ parts: [Breakdown]) {
    let terms: [(String, (Breakdown) -> SimDuration)] = [
      ("scheduling", { $0.scheduling }), ("kv_read", { $0.kvRead }),
      ("compute", { $0.compute }), ("kv_write", { $0.kvWrite }),
    ]
    for (name, term) in terms {
      let sorted = parts.map { term($0).milliseconds }.sorted()
      values += [
        ("mean_\(side)_\(name)_ms", Statistics.mean(sorted)),
        ("p99_\(side)_\(name)_ms", Statistics.quantile(sorted: sorted, 0.99)),
      ]
    }
  }

  private mutating func add(_ energy: EnergyUse, _ run: RunResult, _ workload: Workload) {
    var (completed, output) = (0, 0)
    for record in run.requests where record.outcome == .completed {
      completed += 1
      output += record.outputTokens
    }
    let (requests, tokens) = (Double(completed), Double(output))
    let seconds = (run.end - .zero).seconds
    let rack = workload.rack
    func power(_ joules: Double, _ pool: WorkerPool) -> Double {
      joules / (seconds * Double(pool.count * pool.gpuCount))
    }
    values += [
      ("energy_j", energy.total), ("energy_prefill_gpus_j", energy.prefillGPUs),
      ("energy_decode_gpus_j", energy.decodeGPUs), ("energy_hosts_j", energy.hosts),
      ("energy_cxl_devices_j", energy.cxlDevices), ("energy_transfers_j", energy.transfers),
      ("energy_per_request_j", energy.total / requests),
      ("energy_per_output_token_j", energy.total / tokens),
      ("gpu_energy_per_request_j", energy.gpus / requests),
      ("gpu_energy_per_output_token_j", energy.gpus / tokens),
      ("mean_power_w", energy.total / seconds),
      ("mean_prefill_gpu_power_w", power(energy.prefillGPUs, rack.prefill)),
      ("mean_decode_gpu_power_w", power(energy.decodeGPUs, rack.decode)),
    ]
  }

  private mutating func add(_ store: StoreUse) {
    func mean(_ total: Double, _ count: Int) -> Double { count > 0 ? total / Double(count) : 0 }
    values += [
      ("store_lock_acquisitions", Double(store.lockAcquisitions)),
      ("store_lock_polls", Double(store.lockPolls)),
      ("store_lookups", Double(store.lookups)),
      ("store_mean_lookup_us", mean(store.lookupSecondsTotal, store.lookups) * 1e6),
      ("store_max_lookup_us", store.lookupSecondsMax * 1e6),
      ("store_mean_reserve_us", mean(store.reserveSecondsTotal, store.reservations) * 1e6),
      ("store_max_reserve_us", store.reserveSecondsMax * 1e6),
      ("store_line_reads", Double(store.lineReads)),
      ("store_line_writes", Double(store.lineWrites)),
      ("store_blocks_published", Double(store.blocksPublished)),
      ("store_evictions", Double(store.evictions)),
      ("store_allocation_failures", Double(store.allocationFailures)),
      ("store_deduplicated_tokens", Double(store.deduplicatedTokens)),
    ]
  }

  private mutating func add(
    _ faults: FaultUse, _ counted: [RequestRecord], hasManager: Bool
  ) {
    values += [
      ("requests_recomputed", Double(counted.count { $0.recomputations > 0 })),
      ("requests_failed_by_faults", Double(faults.requestsFailed)),
      ("tokens_lost", Double(faults.tokensLost)), ("bytes_lost", faults.bytesLost),
    ]
    guard hasManager else { return }
    let recoveries = faults.recoverySeconds.map { $0 * 1e3 }
    values += [
      ("recoveries", Double(recoveries.count)),
      ("mean_recovery_time_ms", recoveries.isEmpty ? 0 : Statistics.mean(recoveries)),
      ("max_recovery_time_ms", recoveries.max() ?? 0),
      ("store_fences", Double(faults.fences)),
      ("store_manager_changes", Double(faults.managerChanges)),
      ("store_stalled_operations", Double(faults.stalledOperations)),
      ("store_max_operation_ms", faults.longestOperationSeconds * 1e3),
    ]
  }

  private mutating func countFailures(_ records: [RequestRecord]) {
    var counts: [String: Int] = [:]
    for record in records {
      if case .failed(let reason) = record.outcome { counts[reason, default: 0] += 1 }
    }
    failures = counts.keys.sorted().map { ($0, counts[$0]!) }
  }
}
