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
  let before = network.recomputedClasses
  _ = network.start(bytes: 100, path: [b], tag: 1, at: .zero)
  _ = network.nextCompletion
  #expect(network.recomputedClasses - before == 1)
}

/// A capacity that falls to nothing holds its flow up for just as long; a halved one halves it.
@Test func capacitiesChange() {
  var network = FluidNetwork()
  let link = network.addResource(name: "link", bytesPerSecond: 100)
  let flow = network.start(bytes: 100, path: [link], tag: 1, at: .zero)
  network.setCapacity(of: link, to: 0, at: .zero + .seconds(0.5))
  #expect(network.nextCompletion == nil)
  #expect(network.rate(of: flow) == 0)
  #expect(network.utilisation(of: link) == 1)
  network.setCapacity(of: link, to: 50, at: .zero + .seconds(3.5))
  #expect(network.nextCompletion == .zero + .seconds(4.5))
  #expect(network.popCompletion(at: .zero + .seconds(4.5))?.tag == 1)
  #expect(network.bytesMoved(over: link, at: .zero + .seconds(5)) == 100)
  #expect(network.bytesOffered(by: link, at: .zero + .seconds(5)) == 125)
  #expect(network.capacity(of: link) == 100)
}

/// A flow that starts while nothing passes waits; what a cancelled one moved is known.
@Test func flowsWaitForCapacity() {
  var network = FluidNetwork()
  let link = network.addResource(name: "link", bytesPerSecond: 100)
  network.setCapacity(of: link, to: 0, at: .zero)
  let first = network.start(bytes: 100, path: [link], tag: 1, at: .zero)
  _ = network.start(bytes: 100, path: [link], tag: 2, at: .zero)
  #expect(network.nextCompletion == nil)
  network.setCapacity(of: link, to: 100, at: .zero + .seconds(1))
  #expect(network.cancel(first, at: .zero + .seconds(2)) == 50)
  #expect(network.nextCompletion == .zero + .seconds(2.5))
}

/// One host sends to X and Y over 8 B/s; seven others send to X, whose port passes 8 B/s too. X's
/// share is 1 B/s a flow, and at full coupling the flow to Y, behind the blocked one, gets no more.
@Test(arguments: [(0.0, 7.0), (0.5, 4.0), (1.0, 1.0)]) func blockedFlowsHoldOthersUp(
  coupling: Double, rateToY: Double
) {
  var network = FluidNetwork()
  let senders = (0..<8).map { network.addResource(name: "tx\($0)", bytesPerSecond: 8) }
  let (x, y) = (
    network.addResource(name: "x", bytesPerSecond: 8),
    network.addResource(name: "y", bytesPerSecond: 8)
  )
  network.coupleHeadOfLine(at: senders, coupling: coupling)
  let toX = senders.map { network.start(bytes: 80, path: [$0, x], tag: 0, at: .zero) }
  let toY = network.start(bytes: 80, path: [senders[0], y], tag: 1, at: .zero)
  for flow in toX { #expect(network.rate(of: flow) == 1) }
  #expect(network.rate(of: toY) == rateToY)
  #expect(network.utilisation(of: y) == rateToY / 8)
  #expect(network.utilisation(of: senders[0]) == (1 + rateToY) / 8)
}

/// What lies before the egress, a flow's own cap, and the egress itself block nobody; what others
/// gain from a blocked egress is shared anew.
@Test func onlyWhatLiesBeyondBlocks() {
  var network = FluidNetwork()
  let memory = network.addResource(name: "memory", bytesPerSecond: 1)
  let (a, b) = (
    network.addResource(name: "a", bytesPerSecond: 10),
    network.addResource(name: "b", bytesPerSecond: 10)
  )
  let (x, y) = (
    network.addResource(name: "x", bytesPerSecond: 4),
    network.addResource(name: "y", bytesPerSecond: 10)
  )
  network.coupleHeadOfLine(at: [a, b], coupling: 1)
  _ = network.start(bytes: 100, path: [memory, a, y], tag: 0, at: .zero)
  _ = network.start(bytes: 100, path: [a, y], cap: 2, tag: 1, at: .zero)
  let free = network.start(bytes: 100, path: [a, y], tag: 2, at: .zero)
  #expect(network.rate(of: free) == 7)
  // Two flows of b to x get 2 each, and so b's flow to y gets 2 and leaves the rest to `free`.
  let blocked = network.start(bytes: 100, path: [b, x], tag: 3, at: .zero)
  _ = network.start(bytes: 100, path: [b, x], tag: 4, at: .zero)
  let behind = network.start(bytes: 100, path: [b, y], tag: 5, at: .zero)
  #expect(network.rate(of: blocked) == 2)
  #expect(network.rate(of: behind) == 2)
  #expect(network.rate(of: free) == 5)
}
