// CXL memory against measurements: capacities, loaded latency, the switch's shares, GPU copies.

import Rack

extension Validation {
  /// All validations of CXL memory.
  static var cxl: [Validation] {
    [
      cxlCapacity, loadedLatency(atKnee: false), loadedLatency(atKnee: true), switchVictims,
      switchShares, switchSmallStream, gpuCopies,
    ]
  }

  /// Eight hosts of one H100 each before the given device.
  private static func rack(_ device: String) -> RackSpec {
    var rack = Catalogue.builtIn.rack("h100-rack")!
    rack.cxl = Catalogue.builtIn.cxl(device)!
    return rack
  }

  // MARK: Bandwidth

  private static var cxlCapacity: Validation {
    let table = ReferenceTable(PackageResources.cxl_capacity_csv)
    return Validation(
      "cxl-capacity", title: "Bandwidth of CXL memory by the hop that limits it",
      source: "EuroSys'24 artifact, Beluga, MemChannel, FUSEE, TraCT (each row's in the table)",
      unit: "GB/s", limit: .each(0.10),
      rows: table.rows.map { row in
        let rack = rack(table.text("device", row))
        let devices = Int(table.number("devices", row))
        let streams = table.text("streams", row).split(separator: " ").map { word in
          stream(word, footprint: devices == 0 ? nil : devices * rack.cxl.interleaveBytes)
        }
        var probe = CXLProbe(rack, streams: streams)
        return Row(
          "\(table.text("device", row)): \(table.text("label", row))",
          reference: table.number("gbps", row), model: probe.rates().reduce(0, +) / 1e9)
      })
  }

  /// `cpu_read`, `gpu_write@1` and so on, the host after the `@`.
  private static func stream(_ word: Substring, footprint: Int?) -> CXLProbe.Stream {
    let parts = word.split(separator: "@")
    let ways: [Substring: Fabric.Way] = [
      "cpu_read": .cxlToCPU, "cpu_write": .cpuToCXL, "gpu_read": .cxlToGPU,
      "gpu_write": .gpuToCXL,
    ]
    return CXLProbe.Stream(
      ways[parts[0]]!, host: parts.count > 1 ? Int(parts[1])! : 0, footprintBytes: footprint)
  }

  // MARK: Loaded latency

  /// Utilisation from which on latency climbs steeply: the knee and the saturation after it.
  private static var knee: Double { 0.75 }

  private static func loadedLatency(atKnee: Bool) -> Validation {
    let table = ReferenceTable(PackageResources.cxl_loaded_latency_csv)
    let rows = table.rows.compactMap { row -> Row? in
      let (rate, share) = (table.number("gbps", row) * 1e9, table.number("write_share", row))
      let streams = [(Fabric.Way.cxlToCPU, 1 - share), (.cpuToCXL, share)].filter { $0.1 > 0 }
      var probe = CXLProbe(
        rack(table.text("device", row)),
        streams: streams.map { .init($0.0, limit: rate * $0.1) })
      guard (probe.load().utilisation >= knee) == atKnee else { return nil }
      let mix = share == 0 ? "reads" : share == 1 ? "writes" : "2 reads to 1 write"
      return Row(
        "\(table.text("device", row)), \(mix), \(table.text("gbps", row)) GB/s",
        reference: table.number("ns", row), model: probe.latencySeconds() * 1e9)
    }
    return Validation(
      atKnee ? "cxl-latency-knee" : "cxl-latency",
      title: "Latency of reads beside bulk traffic, points that the curves were not made of, "
        + (atKnee ? "at the knee and beyond" : "below the knee"),
      source: "bytedance/eurosys24-artifacts@1cd95f3 (Apache-2.0), Intel MLC",
      unit: "ns", limit: .each(atKnee ? 0.15 : 0.05), rows: rows)
  }

  // MARK: The switch

  /// Small requests of a host whose adapter bulk traffic saturates. The idle and the saturated
  /// latency of reads, and the slowdown of writes, are what the curve was made of: those rows check
  /// that traffic reaches the small accesses. The slowdown of reads in the switch and the victim's
  /// bandwidth follow.
  private static var switchVictims: Validation {
    func latency(_ ways: [Fabric.Way]) -> Double {
      var probe = CXLProbe(rack("xconn-titan"), streams: ways.map { .init($0) })
      return probe.latencySeconds() * 1e9
    }
    let (idle, reads, writes) = (latency([]), latency([.cxlToCPU]), latency([.cpuToCXL]))
    return Validation(
      "cxl-switch-victims", title: "Small requests as victims of bulk traffic on an XConn switch",
      source: "MemChannel, as its text prints it", unit: "ns, factors, percent",
      limit: .each(0.05),
      rows: [
        Row("64 B read, idle (in the curve)", reference: 230.2, model: idle),
        Row("64 B read beside saturating reads (in the curve)", reference: 1624.2, model: reads),
        Row(
          "64 B writes beside 4 KiB writes, slowdown (in the curve)", reference: 3.8,
          model: writes / idle),
        Row("64 B reads beside 4 KiB reads, slowdown", reference: 6.9, model: reads / idle),
        // With as many requests outstanding as before, bandwidth goes down as latency goes up.
        Row(
          "bandwidth that a read victim loses, percent", reference: 82.6,
          model: (1 - idle / reads) * 100),
      ])
  }

  /// GB/s of two hosts' streams through one x8 port, by the bytes of their requests.
  private static func shares(_ first: Int, _ second: Int) -> [Double] {
    var rack = rack("xconn-titan")
    rack.cxl.devices = 1
    var probe = CXLProbe(
      rack,
      streams: [(first, 0), (second, 1)].map {
        .init(.cxlToCPU, host: $0.1, requestBytes: $0.0)
      })
    return probe.rates().map { $0 / 1e9 }
  }

  private static var switchShares: Validation {
    let (equal, unequal) = (shares(4096, 4096), shares(4096, 64))
    return Validation(
      "cxl-switch-shares", title: "Two streams through one port of an XConn switch",
      source: "MemChannel, as its text prints it", unit: "GB/s, percent", limit: .each(0.05),
      rows: [
        Row("4 KiB beside 4 KiB, first", reference: 10.6, model: equal[0]),
        Row("4 KiB beside 4 KiB, second", reference: 11.0, model: equal[1]),
        Row(
          "4 KiB beside 64 B, share of the 4 KiB stream, percent", reference: 97.8,
          model: unequal[0] / unequal.reduce(0, +) * 100),
      ])
  }

  /// The other side of the last row: small beside the whole, and so far off in itself.
  private static var switchSmallStream: Validation {
    let unequal = shares(4096, 64)
    return Validation(
      "cxl-switch-small-stream", title: "What a stream of 64 B requests gets beside one of 4 KiB",
      source: "MemChannel, as its text prints it", unit: "percent of the port", limit: .none,
      rows: [
        Row(
          "64 B beside 4 KiB", reference: 2.2, model: unequal[1] / unequal.reduce(0, +) * 100)
      ])
  }

  // MARK: GPU copies

  /// The launch is fitted to the copy from DRAM; the other rows follow from the rack.
  private static var gpuCopies: Validation {
    let catalogue = Catalogue.builtIn
    func copy(_ method: CopyMethod) -> GPUCopySpec {
      GPUCopySpec(
        method: method, launchSeconds: catalogue.software("gpu_copy_launch"),
        callSeconds: catalogue.software("gpu_copy_call"))
    }
    let probe = CXLProbe(rack("xconn-xc50256"))
    func microseconds(_ way: Fabric.Way, kib: Int) -> Double {
      probe.copySeconds(way, bytes: kib * 1024, copy: copy(.kernel)) * 1e6
    }
    // 32 layers' keys and values of 4096 tokens of one head, 256 B each.
    let (pieces, bytes) = (64 * 4096, 64 * 4096 * 256)
    let loop = probe.copySeconds(.gpuToDRAM, bytes: bytes, pieces: pieces, copy: copy(.dma))
    return Validation(
      "cxl-gpu-copy", title: "GPU copies with their launch, by kernel and by copy engine",
      source: "Beluga, arXiv 2511.20172, read second-hand; FlexKV pull request 193 (the loop)",
      unit: "us, GB/s", limit: .each(0.10),
      rows: [
        Row(
          "64 KiB DRAM to GPU (fitted)", reference: 10.32, model: microseconds(.dramToGPU, kib: 64)),
        Row("64 KiB CXL to GPU", reference: 11.73, model: microseconds(.cxlToGPU, kib: 64)),
        Row("16 KiB CXL to GPU", reference: 10.55, model: microseconds(.cxlToGPU, kib: 16)),
        Row("16 KiB GPU to CXL", reference: 9.14, model: microseconds(.gpuToCXL, kib: 16)),
        Row(
          "copy engine, a call for every 256 B, GB/s", reference: 0.11,
          model: Double(bytes) / loop / 1e9),
      ])
  }
}
