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
      (
        "percentiles",
        "linear interpolation between order statistics (numpy default); beyond 2^20 requests, or 2^24 gaps between tokens, from buckets, off by less than 1/4096"
      ),
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

  init(_ run: RunResult, _ requests: RequestFigures, _ workload: Workload) {
    system = run.system.name
    addCounts(requests, run.presence, workload)
    add("ttft", requests.ttft, percents: [5, 25, 75, 90, 95, 99])
    add("tpot", requests.tpot)
    add("itl", run.tokenGaps)
    add("e2el", requests.endToEnd)
    add("prefill_latency", requests.prefillLatency)
    addBreakdown("prefill", requests.prefill)
    addBreakdown("decode", requests.decode)
    for path in run.bytes { values.append(("bytes_\(path.path)", Double(path.bytes))) }
    for resource in run.resources where resource.utilisation > 0 {
      values.append(("utilisation_\(resource.name)", resource.utilisation))
    }
    add(run.energy, run, requests, workload)
    if let store = run.store { add(store) }
    if let faults = run.faults {
      let hasManager = [.tract, .tractNoCache].contains(run.system.base)
      add(faults, recomputed: requests.recomputed, hasManager: hasManager)
    }
    failures = requests.failures.keys.sorted().map { ($0, requests.failures[$0]!) }
  }

  private mutating func addCounts(
    _ requests: RequestFigures, _ presence: Presence, _ workload: Workload
  ) {
    let begin = requests.begin ?? .zero
    let duration = ((requests.end ?? begin) - begin).seconds
    let (input, output) = (requests.inputTokens, requests.outputTokens)
    values += [
      ("completed", Double(requests.completed)),
      ("failed", Double(requests.counted - requests.completed)),
      ("duration", duration),
      ("total_input_tokens", Double(input)),
      ("total_output_tokens", Double(output)),
      ("request_throughput", Double(requests.completed) / duration),
      ("output_throughput", Double(output) / duration),
      ("total_token_throughput", Double(input + output) / duration),
      ("max_concurrent_requests", Double(presence.peak)),
      ("mean_concurrent_requests", Double(presence.countedArea) * 1e-12 / duration),
      (
        "prefix_cache_reused_ratio",
        input > 0 ? Double(requests.cachedTokens) / Double(input) : .nan
      ),
      ("preemptions", Double(requests.preemptions)),
    ]
    if workload.slo != nil {
      values.append(("request_goodput", Double(requests.good) / duration))
    }
  }

  /// - Parameter samples: picoseconds.
  private mutating func add(
    _ name: String, _ samples: SampleRuns, percents: [Int] = [90, 95, 99]
  ) {
    let quantiles = samples.quantiles([0.5] + percents.map { Double($0) / 100 })
    values += [
      ("mean_\(name)_ms", samples.mean * Self.milliseconds),
      ("median_\(name)_ms", quantiles[0] * Self.milliseconds),
      ("std_\(name)_ms", samples.populationDeviation * Self.milliseconds),
    ]
    for (percent, quantile) in zip(percents, quantiles.dropFirst()) {
      values.append(("p\(percent)_\(name)_ms", quantile * Self.milliseconds))
    }
  }

  /// In a picosecond.
  private static var milliseconds: Double { 1e-9 }

  private mutating func addBreakdown(_ side: String, _ parts: RequestFigures.BreakdownSamples) {
    for (name, samples) in [
      ("scheduling", parts.scheduling), ("kv_read", parts.kvRead), ("compute", parts.compute),
      ("kv_write", parts.kvWrite),
    ] {
      values += [
        ("mean_\(side)_\(name)_ms", samples.mean * Self.milliseconds),
        ("p99_\(side)_\(name)_ms", samples.quantiles([0.99])[0] * Self.milliseconds),
      ]
    }
  }

  private mutating func add(
    _ energy: EnergyUse, _ run: RunResult, _ figures: RequestFigures, _ workload: Workload
  ) {
    let (requests, tokens) = (Double(figures.allCompleted), Double(figures.allOutputTokens))
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
    _ faults: FaultUse, recomputed: Int, hasManager: Bool
  ) {
    values += [
      ("requests_recomputed", Double(recomputed)),
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
}
