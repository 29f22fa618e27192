// Metadata calls and transfers of pools against measurements.

import EventKernel
import Rack

extension Validation {
  /// All validations of prefix reuse.
  static var reuse: [Validation] { [belugaCalls, belugaCopies, mooncakeEngine, mooncakeTransfers] }

  /// Callers that each send their next call when they have an answer, through the simulator's
  /// server. Round trip and service are catalogue figures from this very measurement: it shows that
  /// the queue gives them back, not that they hold elsewhere.
  private static var belugaCalls: Validation {
    let catalogue = Catalogue.builtIn
    let service = SimDuration.seconds(catalogue.software("beluga_rpc_key"))
    let way = SimDuration.seconds(
      (catalogue.software("beluga_rpc") - catalogue.software("beluga_rpc_key")) / 2)
    /// Mean round trip, us, and calls per microsecond, at a depth.
    func closedLoop(depth: Int) -> (trip: Double, rate: Double) {
      var server = FIFOServer(threads: Int(catalogue.software("beluga_rpc_threads")))
      var sent = [SimTime](repeating: .zero, count: depth)
      let count = 1000 * depth
      var trips = 0.0
      var last = SimTime.zero
      for call in 0..<count {
        let answer = server.admit(service: service, at: sent[call % depth] + way) + way
        trips += (answer - sent[call % depth]).seconds
        sent[call % depth] = answer
        last = answer
      }
      return (trips / Double(count) * 1e6, Double(count) / (last.seconds * 1e6))
    }
    return Validation(
      "reuse-beluga-rpc", title: "Metadata calls over CXL; the parameters are from these rows",
      source: "Beluga, arXiv 2511.20172, read second-hand", unit: "us; Mops", limit: .each(0.01),
      rows: [
        Row("round trip at depth 1", reference: 2.11, model: closedLoop(depth: 1).trip),
        Row("calls at depth 128", reference: 12.13, model: closedLoop(depth: 128).rate),
      ])
  }

  /// A copy through the fabric of a rack with a GPU behind that switch. The launch is the first row's
  /// time less its share of data; bandwidth and latency are other measurements.
  private static var belugaCopies: Validation {
    let table = ReferenceTable(PackageResources.beluga_pool_csv)
    let rack = Catalogue.builtIn.rack("h100-rack")!
    return Validation(
      "reuse-beluga-copy", title: "Copies between a GPU and a CXL pool by a kernel",
      source: "Beluga, arXiv 2511.20172, read second-hand", unit: "us", limit: .each(0.15),
      rows: table.rows.map { row in
        let isRead = table.text("direction", row) == "read"
        let bytes = Int(table.number("kib", row)) * 1024
        var network = FluidNetwork()
        let fabric = Fabric(rack, into: &network)
        _ = network.start(
          bytes: bytes, path: isRead ? fabric.cxlToGPU(host: 0) : fabric.gpuToCXL(host: 0), tag: 0,
          at: .zero)
        let lead = rack.cxl.copyLeadSeconds(
          isRead: isRead, launchSeconds: Catalogue.builtIn.software("gpu_copy_launch"),
          latencyFactor: 1)
        return Row(
          "\(isRead ? "pool to GPU" : "GPU to pool") \(bytes / 1024) KiB",
          reference: table.number("us", row), model: (lead + network.nextCompletion!.seconds) * 1e6)
      })
  }

  /// The law of a descriptor against the table it was fitted to.
  private static var mooncakeEngine: Validation {
    let table = ReferenceTable(PackageResources.mooncake_te_csv)
    let engine = Catalogue.builtIn.transferEngine("mooncake-te")!
    return Validation(
      "reuse-mooncake-te", title: "Mooncake's transfer engine by block size; fitted to these rows",
      source: "PaddlePaddle/FastDeploy, kvcache_transfer README", unit: "GB/s", limit: .each(0.08),
      rows: table.rows.map { row in
        let kib = table.number("block_kib", row)
        return Row(
          "\(Int(kib)) KiB", reference: table.number("gbps", row),
          model: engine.rate(descriptorBytes: kib * 1024) / 1e9)
      })
  }

  /// Launch, then bytes at the lesser of all ports and of one engine thread a port. A prompt's
  /// descriptors are of 64 tokens (the real size is not published), bulk ones of 1 MiB.
  private static var mooncakeTransfers: Validation {
    let table = ReferenceTable(PackageResources.mooncake_transfers_csv)
    let catalogue = Catalogue.builtIn
    let engine = catalogue.transferEngine("mooncake-te")!
    let model = catalogue.model("qwen3-8b")!
    return Validation(
      "reuse-mooncake-transfer",
      title: "Whole transfers by Mooncake; the launch is from the prompts' rows",
      source: "kvcache-ai/Mooncake, vLLM prefill-decode benchmark and README", unit: "ms",
      limit: .none,
      rows: table.rows.map { row in
        let ports = table.number("ports", row)
        let gigabits = Int(table.number("port_gbit", row))
        let isPrompt = table.text("kind", row) == "prompt"
        let kv = model.kvBytesPerToken(elementBytes: 2)
        let descriptor =
          isPrompt ? Double(kv * 64) / Double(2 * model.layers) / ports : 1_048_576
        let port = catalogue.nic(gigabits == 200 ? "cx6-200g" : "cx7-400g")!.txBandwidth
        let rate = ports * min(port, engine.rate(descriptorBytes: descriptor))
        let megabytes = table.number("megabytes", row)
        let launch = isPrompt ? catalogue.software("mooncake_launch") : 0
        return Row(
          "\(table.text("kind", row)) \(Int(megabytes)) MB, \(Int(ports)) x \(gigabits)G",
          reference: table.number("ms", row), model: (launch + megabytes * 1e6 / rate) * 1e3)
      })
  }
}
