// Transfer engines of the catalogue against the measurements behind them.

import Rack

extension Validation {
  /// Size sweeps, descriptor sweeps, and the KV of whole requests.
  static var transfers: [Validation] {
    [
      rates("uccl", "UCCL, 256 descriptors, one 100 Gb/s rail", .mean(0.05)),
      rates("nixl", "NIXL over UCX, 256 descriptors, one 100 Gb/s rail", .mean(0.12)),
      rates("rail", "One transfer at a time, NIXL over UCX, 100 Gb/s", .mean(0.05)),
      rates("verbs", "Hand-tuned verbs, ConnectX-7 400G", .mean(0.05)),
      rates("mooncake", "Mooncake transfer engine, one thread, ConnectX-7 400G", .mean(0.05)),
      rates("gh200", "One transfer at a time, UCCL, 200 Gb/s", .mean(0.05)),
      rates("efa", "Blocks over 16 EFA ports, Mooncake", .mean(0.05)),
      times("connectx5", "One message at a time, GPU to GPU, ConnectX-5 100G", .mean(0.05)),
      times("vllm", "A request's KV, vLLM with Mooncake, 8 ConnectX-7", .mean(0.05)),
      times("sglang", "A request's KV, SGLang with Mooncake, 4 ports of 400 Gb/s", .mean(0.05)),
    ]
  }

  private static func rates(_ name: String, _ title: String, _ limit: Limit) -> Validation {
    let table = ReferenceTable(PackageResources.descriptor_rates_csv)
    let rows = table.rows.filter { table.text("table", $0) == name }
    return Validation(
      "fabric-engine-\(name)", title: title, source: source(rows, table),
      unit: "GB/s", limit: limit,
      rows: rows.map { row in
        let bytes = table.number("bytes", row)
        return Row(
          "\(Int(bytes)) B", reference: table.number("gbps", row),
          model: engine(row, table).rate(descriptorBytes: bytes) / 1e9)
      })
  }

  private static func times(_ name: String, _ title: String, _ limit: Limit) -> Validation {
    let table = ReferenceTable(PackageResources.transfer_times_csv)
    let rows = table.rows.filter { table.text("table", $0) == name }
    return Validation(
      "fabric-engine-\(name)", title: title, source: source(rows, table),
      unit: "us", limit: limit,
      rows: rows.map { row in
        let bytes = table.number("bytes", row)
        let rankBytes = bytes / table.number("ranks", row)
        let launch = table.text("launch", row)
        let launchSeconds = launch.isEmpty ? 0 : Catalogue.builtIn.software(launch)
        return Row(
          "\(Int(bytes)) B", reference: table.number("us", row),
          model: (launchSeconds + engine(row, table).descriptorTime(bytes: rankBytes)) * 1e6)
      })
  }

  private static func engine(_ row: [String], _ table: ReferenceTable) -> TransferEngineSpec {
    Catalogue.builtIn.transferEngine(table.text("engine", row))!
  }

  /// What the catalogue says about the engine's bandwidth, which comes from the table compared.
  private static func source(_ rows: [[String]], _ table: ReferenceTable) -> String {
    let figures = Catalogue.builtIn.figures(.transferEngine, table.text("engine", rows[0]))!
    return Catalogue.builtIn.sources[figures.first { $0.name == "bandwidth" }!.1.source]!
  }
}
