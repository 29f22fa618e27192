// Max-min sharing against hand-computed allocations.

import EventKernel
import Testing

@Test func incastSharesOnePort() {
  var network = FluidNetwork()
  let port = network.addResource(name: "rx", bytesPerSecond: 1e9)
  for tag in 0..<8 {
    let tx = network.addResource(name: "tx\(tag)", bytesPerSecond: 1e9)
    _ = network.start(bytes: 134_217_728, path: [tx, port], tag: UInt64(tag), at: .zero)
  }
  // 8 × 134 217 728 B over 1 GB/s: all end together at 1 073.741824 ms.
  let end = SimTime(picoseconds: 1_073_741_824_000)
  #expect(network.nextCompletion == end)
  var tags: [UInt64] = []
  while let done = network.popCompletion(at: end) { tags.append(done.tag) }
  #expect(tags == Array(0..<8))
  #expect(network.bytesMoved(over: port, at: end) == 8 * 134_217_728)
}

@Test func threeFlowsOnTwoLinks() {
  var network = FluidNetwork()
  let a = network.addResource(name: "a", bytesPerSecond: 10)
  let b = network.addResource(name: "b", bytesPerSecond: 4)
  let long = network.start(bytes: 100, path: [a, b], tag: 0, at: .zero)
  let onA = network.start(bytes: 100, path: [a], tag: 1, at: .zero)
  let onB = network.start(bytes: 100, path: [b], tag: 2, at: .zero)
  #expect(network.rate(of: long) == 2)
  #expect(network.rate(of: onB) == 2)
  #expect(network.rate(of: onA) == 8)
}

@Test func weightsAndCaps() {
  var network = FluidNetwork()
  let link = network.addResource(name: "link", bytesPerSecond: 12)
  let heavy = network.start(bytes: 100, path: [link], weight: 3, tag: 0, at: .zero)
  let light = network.start(bytes: 100, path: [link], weight: 1, tag: 1, at: .zero)
  let capped = network.start(bytes: 100, path: [link], weight: 2, cap: 2, tag: 2, at: .zero)
  #expect(network.rate(of: capped) == 2)
  #expect(network.rate(of: heavy) == 7.5)
  #expect(network.rate(of: light) == 2.5)
}

@Test func changesStayInTheirComponent() {
  var network = FluidNetwork()
  let a = network.addResource(name: "a", bytesPerSecond: 1)
  let b = network.addResource(name: "b", bytesPerSecond: 1)
  _ = network.start(bytes: 100, path: [a], tag: 0, at: .zero)
  _ = network.nextCompletion
  let before = network.recomputedFlows
  _ = network.start(bytes: 100, path: [b], tag: 1, at: .zero)
  _ = network.nextCompletion
  #expect(network.recomputedFlows - before == 1)
}
