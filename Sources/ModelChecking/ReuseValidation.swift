// Metadata calls and transfers of pools against measurements.

import EventKernel
import Rack

extension Validation {
  /// All validations of prefix reuse.
  static var reuse: [Validation] { [belugaCalls, mooncakeTransfers] }

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
        let launch = isPrompt ? catalogue.software("mooncake_vllm_launch") : 0
        return Row(
          "\(table.text("kind", row)) \(Int(megabytes)) MB, \(Int(ports)) x \(gigabits)G",
          reference: table.number("ms", row), model: (launch + megabytes * 1e6 / rate) * 1e3)
      })
  }
}
