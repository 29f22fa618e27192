// CXL memory: which hop limits a stream, who gets how much, what small accesses and copies wait.

import Rack
import Testing

private func rack(_ change: (inout CXLSpec) -> Void = { _ in }) throws -> RackSpec {
  var rack = try #require(Catalogue.builtIn.rack("h100-rack"))
  rack.cxl = try #require(Catalogue.builtIn.cxl("xconn-xc50256"))
  change(&rack.cxl)
  return rack
}

private func rate(_ rack: RackSpec, _ streams: CXLProbe.Stream...) -> Double {
  var probe = CXLProbe(rack, streams: streams)
  return probe.rates().reduce(0, +) / 1e9
}

/// Each limit by itself is the one that binds when it is the lowest, in its own direction only.
@Test(arguments: [Fabric.Way.cxlToGPU, .gpuToCXL]) func everyLimitBinds(_ way: Fabric.Way) throws {
  let reads = way == .cxlToGPU
  let limits: [(String, WritableKeyPath<CXLSpec, Double>, both: Bool, perDevice: Bool)] = [
    ("device", reads ? \.deviceReadBandwidth : \.deviceWriteBandwidth, false, true),
    ("port", \.portBandwidth, true, true),
    ("adapter", reads ? \.adapterReadBandwidth : \.adapterWriteBandwidth, false, false),
    ("root complex", \.gpuDMABandwidth, true, false),
  ]
  let other: Fabric.Way = reads ? .gpuToCXL : .cxlToGPU
  for limit in limits {
    let slow = try rack { $0[keyPath: limit.1] = 2e9 }
    let expected = limit.perDevice ? 2.0 * Double(slow.cxl.devices) : 2
    #expect(abs(rate(slow, .init(way)) - expected) < 1e-6, "\(limit.0)")
    #expect(limit.both || rate(slow, .init(other)) > 2 * expected, "\(limit.0)")
  }
}

/// A stream over fewer bytes than one round over the devices goes at the speed of those it touches.
@Test(arguments: [(1, 1), (2 << 20, 1), (2 << 20 + 1, 2), (6 << 20, 3), (8 << 20, 4), (1 << 40, 4)])
func footprintsLimit(bytes: Int, devices: Int) throws {
  let rack = try rack { $0.adapterReadBandwidth = 1e12 }
  #expect(rack.cxl.devices(holding: bytes) == devices)
  let rate = rate(rack, .init(.cxlToCPU, footprintBytes: bytes))
  #expect(abs(rate - 22.5 * Double(devices)) < 1e-6)
}

@Test(arguments: [(64, 1, 64, 1), (4096, 1, 64, 1), (4096, 2, 4096, 1), (256, 8, 64, 32)])
func bandwidthGoesByOutstandingBytes(size: Int, count: Int, otherSize: Int, otherCount: Int)
  throws
{
  var probe = CXLProbe(
    try rack { $0.devices = 1 },
    streams: [
      .init(.cxlToCPU, host: 0, requestBytes: size, outstanding: count),
      .init(.cxlToCPU, host: 1, requestBytes: otherSize, outstanding: otherCount),
    ])
  let rates = probe.rates()
  #expect(
    abs(rates[0] / rates[1] / (Double(size * count) / Double(otherSize * otherCount)) - 1) < 1e-9)
}

@Test func everyDeviceHasCurves() throws {
  for name in Catalogue.builtIn.names(in: .cxl) {
    let latency = try #require(Catalogue.builtIn.cxl(name)).loadedLatency
    for share in [0, 0.2, 0.5, 1] {
      func factor(_ utilisation: Double) -> Double {
        latency.factor(at: CXLLoad(utilisation: utilisation, writeShare: share))
      }
      #expect(factor(0) == 1, "\(name)")
      #expect(factor(1) > 2, "\(name)")
      #expect(factor(1) > factor(0.5), "\(name)")
    }
  }
}

/// On a measured mix the measured curve, between two something between them.
@Test(arguments: [0.1, 0.6, 0.99]) func mixesAreInterpolated(utilisation: Double) throws {
  let latency = try #require(Catalogue.builtIn.loadedLatency("asic-expander"))
  #expect(latency.curves.count == 3)
  func factor(_ share: Double) -> Double {
    latency.factor(at: CXLLoad(utilisation: utilisation, writeShare: share))
  }
  for (low, high) in zip(latency.curves, latency.curves.dropFirst()) {
    let ends = [factor(low.writeShare), factor(high.writeShare)]
    #expect(ends[0] == low.curve.factor(at: utilisation))
    let middle = factor((low.writeShare + high.writeShare) / 2)
    #expect(abs(middle - (ends[0] + ends[1]) / 2) < 1e-12)
  }
}

/// Another host's bulk traffic reaches a small access through the pool, not through its adapter.
@Test func victims() throws {
  let rack = try rack { $0.devices = 8 }
  func latency(_ streams: CXLProbe.Stream...) -> Double {
    var probe = CXLProbe(rack, streams: streams)
    return probe.latencySeconds(host: 0)
  }
  let idle = latency()
  #expect(idle == rack.cxl.latencySeconds)
  #expect(latency(.init(.cxlToCPU, host: 1)) == idle)
  #expect(latency(.init(.cxlToCPU, host: 0)) > 5 * idle)
  // Four adapters fill eight devices.
  let all = (1...4).map { CXLProbe.Stream(.cxlToCPU, host: $0) }
  var probe = CXLProbe(rack, streams: all)
  #expect(probe.latencySeconds(host: 0) > 5 * idle)
}

@Test func copiesPayForTheirLaunches() {
  func rate(_ method: CopyMethod, blocks: Int) -> Double {
    GPUCopySpec(method: method, launchSeconds: 10e-6, callSeconds: 2e-6)
      .rate(bytes: blocks * 1_000_000, kernels: blocks, calls: 64 * blocks)
  }
  #expect(rate(.kernel, blocks: 1) == .infinity)
  #expect(abs(rate(.kernel, blocks: 5) - 5e6 / 40e-6) < 1)
  #expect(abs(rate(.dma, blocks: 5) - 5e6 / (319 * 2e-6)) < 1)
  let free = GPUCopySpec(method: .dma, launchSeconds: 0, callSeconds: 0)
  #expect(free.rate(bytes: 1, kernels: 9, calls: 81) == .infinity)
}

/// A read waits for the memory it comes from, a write does not; the loaded device answers later.
@Test func readsWaitForTheirMemory() throws {
  let rack = try rack()
  let copy = GPUCopySpec(method: .kernel, launchSeconds: 5e-6, callSeconds: 0)
  // So few bytes lie on one device.
  let idle = CXLProbe(rack)
  #expect(abs(idle.copySeconds(.gpuToCXL, bytes: 22_500, copy: copy) - 6e-6) < 1e-11)
  #expect(abs(idle.copySeconds(.cxlToGPU, bytes: 22_500, copy: copy) - 6.75e-6) < 1e-11)
  let loaded = CXLProbe(rack, streams: [.init(.cxlToCPU, limit: 40e9)])
  #expect(loaded.copySeconds(.cxlToGPU, bytes: 64, copy: copy) > 8e-6)
}
