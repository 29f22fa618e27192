// `tract-sim probe cxl`: what streams get, a small access waits and a copy takes on a CXL device.

import ArgumentParser
import JSONText
import Rack
import Report

struct ProbeCXLCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cxl",
    abstract: "Bandwidth, loaded latency and GPU copies on a CXL device.",
    discussion: """
      One host's processor reads and writes at the given rates, as far as the device lets it; \
      beside that stand the latency of its small accesses and the time of one copy by its GPU.
      """)

  @Option(help: "CXL device of the catalogue, e.g. xconn-titan.") var device: String
  @Option(help: "Rack of the catalogue around it.") var rack = "h100-rack"
  @Option(help: "Bulk reads, GB/s.") var readGbps = 0.0
  @Option(help: "Bulk writes, GB/s.") var writeGbps = 0.0
  @Option(help: "Size of the copy, KiB.") var copyKib = 64
  @Option(help: "Pieces of the copy that lie apart on the GPU.") var pieces = 1
  @Option(help: "Copy by kernel or dma.") var method = CopyMethod.kernel
  @Option(help: "table or json.") var format = ProbeFormat.table

  func run() throws {
    let catalogue = Catalogue.builtIn
    guard let cxl = catalogue.cxl(device) else {
      throw ValidationError("unknown device; there are \(catalogue.names(in: .cxl))")
    }
    guard var spec = catalogue.rack(rack) else {
      throw ValidationError("unknown rack; there are \(catalogue.rackNames)")
    }
    let rates = 0.001...1e6
    guard [readGbps, writeGbps].allSatisfy({ $0 == 0 || rates.contains($0) }) else {
      throw ValidationError("--read-gbps and --write-gbps must be 0, or 0.001 to 1000000")
    }
    guard (1...1_048_576).contains(copyKib), (1...1_000_000).contains(pieces) else {
      throw ValidationError("--copy-kib must be 1 to 1048576, --pieces 1 to 1000000")
    }
    spec.cxl = cxl
    let figures = figures(spec)
    switch format {
    case .json:
      let members = figures.map { ($0.key, JSONNode(.number($0.value))) }
      print(JSONValue.object(members).text(indented: false))
    case .table: for item in figures { print("\(item.key)  \(Decimals.text(item.value, 3))") }
    }
  }

  private func figures(_ rack: RackSpec) -> [(key: String, value: Double)] {
    let wanted: [(key: String, way: Fabric.Way, rate: Double)] = [
      ("read_gbps", .cxlToCPU, readGbps), ("write_gbps", .cpuToCXL, writeGbps),
    ]
    let streams = wanted.filter { $0.rate > 0 }
    var probe = CXLProbe(rack, streams: streams.map { .init($0.way, limit: $0.rate * 1e9) })
    var figures = zip(streams, probe.rates()).map { ($0.key, $1 / 1e9) }
    let load = probe.load()
    figures += [
      ("utilisation", load.utilisation), ("write_share", load.writeShare),
      ("latency_ns", probe.latencySeconds() * 1e9),
    ]
    let catalogue = Catalogue.builtIn
    let copy = GPUCopySpec(
      method: method, launchSeconds: catalogue.software("gpu_copy_launch"),
      callSeconds: catalogue.software("gpu_copy_call"))
    let ways: [(key: String, way: Fabric.Way)] = [
      ("cxl_to_gpu_us", .cxlToGPU), ("gpu_to_cxl_us", .gpuToCXL), ("dram_to_gpu_us", .dramToGPU),
      ("gpu_to_dram_us", .gpuToDRAM),
    ]
    for (key, way) in ways {
      let seconds = probe.copySeconds(way, bytes: copyKib * 1024, pieces: pieces, copy: copy)
      figures.append((key, seconds * 1e6))
    }
    return figures
  }
}

extension CopyMethod: ExpressibleByArgument {}
