// Classes of flows alike, against a network that knows only single flows.

import EventKernel
import Testing

/// Random traffic on both networks at once.
private struct Pair {
  var network = FluidNetwork()
  var naive: NaiveNetwork
  var links: [FluidNetwork.ResourceID] = []
  var ids: [UInt64: FluidNetwork.FlowID] = [:]
  /// Paths, weights and caps to choose from, so that many flows are alike.
  private var kinds: [(path: [Int], weight: Double, cap: Double)] = []
  private let nominal: [Double]
  private var tag: UInt64 = 0
  private let seed: UInt64
  var now = SimTime.zero
  var completions = 0

  init(seed: UInt64, coupling: Double, _ random: inout RandomStream) {
    self.seed = seed
    let count = 2 + random.integer(below: 8)
    var capacities: [Double] = []
    for _ in 0..<count { capacities.append(1e6 * Double(1 + random.integer(below: 40))) }
    nominal = capacities
    for _ in 0..<3 + random.integer(below: 12) {
      var path: [Int] = []
      for _ in 0..<1 + random.integer(below: 5) {
        let link = random.integer(below: count)
        if !path.contains(link) { path.append(link) }
      }
      kinds.append(
        (
          path, [1, 1, 2.5, 0.75][random.integer(below: 4)],
          random.integer(below: 2) == 0 ? .infinity : 1e5 * Double(1 + random.integer(below: 80))
        ))
    }
    naive = NaiveNetwork(capacities: capacities, egresses: count / 2, coupling: coupling)
    links = capacities.enumerated().map {
      network.addResource(name: "\($0.offset)", bytesPerSecond: $0.element)
    }
    network.coupleHeadOfLine(at: Array(links.prefix(count / 2)), coupling: coupling)
  }

  mutating func start(_ random: inout RandomStream) {
    tag += 1
    let kind = kinds[random.integer(below: kinds.count)]
    // Sizes repeat, so that flows end together.
    let bytes = [1000, 250_000, 250_001, random.integer(below: 3_000_000)][random.integer(below: 4)]
    ids[tag] = network.start(
      bytes: bytes, path: kind.path.map { links[$0] }, weight: kind.weight, cap: kind.cap, tag: tag,
      at: now)
    naive.start(
      .init(
        tag: tag, path: kind.path, weight: kind.weight, cap: kind.cap, bytes: Double(bytes),
        left: Double(bytes)))
  }

  mutating func cancel(_ random: inout RandomStream) {
    guard !naive.flows.isEmpty else { return }
    let flow = naive.remove(naive.flows[random.integer(below: naive.flows.count)].tag)
    let moved = network.cancel(ids[flow.tag]!, at: now)
    #expect(abs(moved - (flow.bytes - flow.left)) < 1e-3, "seed \(seed)")
  }

  mutating func changeCapacity(_ random: inout RandomStream) {
    let link = random.integer(below: links.count)
    naive.capacities[link] = nominal[link] * [0, 0.5, 1, 1][random.integer(below: 4)]
    network.setCapacity(of: links[link], to: naive.capacities[link], at: now)
  }

  /// To the next completion, or some way there.
  mutating func pass(_ random: inout RandomStream) {
    guard let end = network.nextCompletion else { return }
    let target =
      random.integer(below: 3) > 0
      ? end : now + SimDuration(picoseconds: (end - now).picoseconds / 2)
    now = target
    naive.advance(to: now.seconds)
    while let done = network.popCompletion(at: now) {
      completions += 1
      let flow = naive.remove(done.tag)
      #expect(abs(flow.left) < 1e-3, "seed \(seed): ends with \(flow.left) bytes left")
    }
    for flow in naive.flows { #expect(flow.left > -1e-3, "seed \(seed): should have ended") }
  }

  mutating func compare() {
    naive.share()
    for flow in naive.flows where flow.bytes > 0 {
      let rate = network.rate(of: ids[flow.tag]!)
      #expect(abs(rate - flow.rate) <= 1e-9 * flow.rate, "seed \(seed): \(rate), \(flow.rate)")
    }
    for (index, link) in links.enumerated() {
      let moved = network.bytesMoved(over: link, at: now)
      #expect(abs(moved - naive.carried[index]) < 1e-2 + 1e-9 * moved, "seed \(seed)")
      guard naive.capacities[index] > 0 else { continue }
      let load = naive.flows.reduce(0) { $0 + ($1.path.contains(index) ? $1.rate : 0) }
      let utilisation = network.utilisation(of: link)
      #expect(utilisation <= 1 + 1e-9, "seed \(seed)")
      #expect(abs(utilisation - load / naive.capacities[index]) < 1e-9, "seed \(seed)")
    }
  }
}

@Suite struct FlowClassTests {
  @Test(arguments: UInt64(1)...40, [0, 0.5, 1]) func likeSingleFlows(seed: UInt64, coupling: Double)
  {
    var random = RandomStream(seed: seed, name: "classes")
    var pair = Pair(seed: seed, coupling: coupling, &random)
    for _ in 0..<120 {
      switch random.integer(below: 12) {
      case 0..<5: pair.start(&random)
      case 5: pair.cancel(&random)
      case 6: pair.changeCapacity(&random)
      default: pair.pass(&random)
      }
      // Some changes come together.
      if random.integer(below: 4) > 0 { pair.compare() } else { pair.naive.share() }
    }
    #expect(pair.completions > 5, "seed \(seed)")
    #expect(pair.network.activeFlows == pair.naive.flows.count, "seed \(seed)")
  }

  /// A thousand flows alike are one class, and end in order of size, then of start.
  @Test func flowsAlikeAreOne() {
    var network = FluidNetwork()
    let link = network.addResource(name: "link", bytesPerSecond: 1e9)
    for tag in 0..<UInt64(1000) {
      _ = network.start(bytes: 1000 + Int(tag % 10), path: [link], tag: tag, at: .zero)
    }
    _ = network.nextCompletion
    #expect(network.recomputedClasses == 1)
    var tags: [UInt64] = []
    while let time = network.nextCompletion {
      while let done = network.popCompletion(at: time) { tags.append(done.tag) }
    }
    #expect(tags == (0..<UInt64(1000)).sorted { ($0 % 10, $0) < ($1 % 10, $1) })
  }

  /// Where there is room for all, nobody's change concerns others.
  @Test func roomSeparates() {
    var network = FluidNetwork()
    let wide = network.addResource(name: "wide", bytesPerSecond: 100)
    let narrow = (0..<10).map { network.addResource(name: "\($0)", bytesPerSecond: 10) }
    for link in narrow { _ = network.start(bytes: 100, path: [link, wide], tag: 0, at: .zero) }
    #expect(network.utilisation(of: wide) == 1)
    let before = network.recomputedClasses
    let eleventh = network.start(bytes: 100, path: [wide], cap: 10, tag: 1, at: .zero)
    #expect(abs(network.rate(of: eleventh) - 100 / 11) < 1e-12)
    #expect(network.recomputedClasses - before == 11)
    network.cancel(eleventh, at: .zero)
    network.setCapacity(of: narrow[3], to: 5, at: .zero)
    #expect(network.utilisation(of: wide) == 0.95)
    let last = network.recomputedClasses
    network.setCapacity(of: narrow[3], to: 6, at: .zero)
    #expect(network.utilisation(of: wide) == 0.96)
    #expect(network.recomputedClasses - last == 1)
  }

  /// Accounts that begin anew after a long service lose no bytes.
  @Test func longServiceKeepsItsPrecision() {
    var network = FluidNetwork()
    let link = network.addResource(name: "link", bytesPerSecond: 1e12)
    let endless = network.start(bytes: 1 << 52, path: [link], cap: 1e11, tag: 0, at: .zero)
    for second in 0..<100 {
      let now = SimTime.zero + .seconds(Double(second))
      _ = network.start(bytes: 50_000_000_000, path: [link], cap: 1e11, tag: 1, at: now)
      #expect(network.nextCompletion == now + .seconds(0.5))
      #expect(network.popCompletion(at: now + .seconds(0.5))?.tag == 1)
    }
    let end = SimTime.zero + .seconds(100)
    #expect(network.bytesMoved(over: link, at: end) == 1e13 + 100 * 5e10)
    #expect(network.cancel(endless, at: end) == 1e13)
  }

  /// Flows without bytes end at once, in order of start among others that are due.
  @Test func nothingTakesNoTime() {
    var network = FluidNetwork()
    let link = network.addResource(name: "link", bytesPerSecond: 100)
    _ = network.start(bytes: 100, path: [link], tag: 0, at: .zero)
    let now = SimTime.zero + .seconds(1)
    #expect(network.nextCompletion == now)
    network.setCapacity(of: link, to: 0, at: now)
    for tag in 1...3 { _ = network.start(bytes: 0, path: [link], tag: UInt64(tag), at: now) }
    var tags: [UInt64] = []
    while let done = network.popCompletion(at: now) {
      #expect(done.time == now)
      tags.append(done.tag)
    }
    #expect(tags.sorted() == [0, 1, 2, 3] && tags.filter { $0 > 0 } == [1, 2, 3])
    #expect(network.activeFlows == 0)
  }

  /// Flows that are called off again and again leave nothing behind.
  @Test func calledOffFlowsAreForgotten() {
    var network = FluidNetwork()
    let link = network.addResource(name: "link", bytesPerSecond: 1000)
    network.setCapacity(of: link, to: 0, at: .zero)
    let stays = network.start(bytes: 1000, path: [link], tag: 0, at: .zero)
    var flows: [FluidNetwork.FlowID] = []
    for round in 0..<100 {
      for tag in 0..<100 {
        flows.append(network.start(bytes: 10_000 + tag, path: [link], tag: 1, at: .zero))
      }
      for flow in flows { #expect(network.cancel(flow, at: .zero) == 0) }
      flows.removeAll()
      #expect(network.activeFlows == 1, "round \(round)")
    }
    network.setCapacity(of: link, to: 1000, at: .zero)
    #expect(network.rate(of: stays) == 1000)
    #expect(network.nextCompletion == .zero + .seconds(1))
  }
}
