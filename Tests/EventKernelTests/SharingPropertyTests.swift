// Random networks: what max-min fairness means, checked flow by flow, and bytes, checked link by link.

import EventKernel
import Testing

/// A random network with its flows.
private struct RandomNetwork {
  var network = FluidNetwork()
  var links: [FluidNetwork.ResourceID] = []
  var flows: [(id: FluidNetwork.FlowID, path: [Int], weight: Double, cap: Double, bytes: Int)] = []

  /// Half of the links are egresses, coupled as far as `coupling` says.
  init(
    _ random: inout RandomStream, links count: Int, flows flowCount: Int, coupling: Double = 0
  ) {
    for index in 0..<count {
      links.append(
        network.addResource(
          name: "l\(index)", bytesPerSecond: 1e6 * Double(1 + random.integer(below: 100))))
    }
    network.coupleHeadOfLine(at: Array(links.prefix(count / 2)), coupling: coupling)
    for tag in 0..<flowCount {
      var path: [Int] = []
      for _ in 0..<1 + random.integer(below: 4) {
        let link = random.integer(below: count)
        if !path.contains(link) { path.append(link) }
      }
      let weight = Double(1 + random.integer(below: 4))
      let cap =
        random.integer(below: 3) == 0 ? 1e6 * Double(1 + random.integer(below: 30)) : .infinity
      let bytes = 1000 + random.integer(below: 5_000_000)
      let id = network.start(
        bytes: bytes, path: path.map { links[$0] }, weight: weight, cap: cap, tag: UInt64(tag),
        at: .zero)
      flows.append((id, path, weight, cap, bytes))
    }
  }
}

@Suite struct SharingPropertyTests {
  /// Bertsekas and Gallager, Data Networks, section 6.5.2: an allocation is max-min fair if and only
  /// if each flow is at its cap or has a bottleneck, a full link on which no flow gets more per
  /// unit of weight.
  @Test(arguments: UInt64(1)...60) func everyFlowHasABottleneck(seed: UInt64) {
    var random = RandomStream(seed: seed, name: "networks")
    var net = RandomNetwork(
      &random, links: 2 + random.integer(below: 12), flows: 1 + random.integer(below: 40))
    let rates = net.flows.map { net.network.rate(of: $0.id) }
    var load = Array(repeating: 0.0, count: net.links.count)
    for (flow, rate) in zip(net.flows, rates) { for link in flow.path { load[link] += rate } }
    for (link, load) in load.enumerated() {
      #expect(load <= net.network.capacity(of: net.links[link]) * (1 + 1e-9), "seed \(seed)")
    }
    for (flow, rate) in zip(net.flows, rates) {
      if rate >= flow.cap * (1 - 1e-9) { continue }
      let hasBottleneck = flow.path.contains { link in
        let full = load[link] >= net.network.capacity(of: net.links[link]) * (1 - 1e-9)
        let greatest =
          zip(net.flows, rates).filter { $0.0.path.contains(link) }
          .map { $0.1 / $0.0.weight }.max() ?? 0
        return full && rate / flow.weight >= greatest * (1 - 1e-9)
      }
      #expect(hasBottleneck, "seed \(seed): a flow could be faster without hurting a slower one")
    }
  }

  /// However far egresses are coupled, no link carries more than it can, and every flow ends.
  @Test(arguments: UInt64(1)...30) func coupledSharesFit(seed: UInt64) {
    var random = RandomStream(seed: seed, name: "coupled")
    let coupling = Double(1 + random.integer(below: 4)) / 4
    var net = RandomNetwork(&random, links: 8, flows: 25, coupling: coupling)
    var ended = 0
    while let time = net.network.nextCompletion {
      for link in net.links {
        #expect(net.network.utilisation(of: link) <= 1 + 1e-9, "seed \(seed)")
      }
      while net.network.popCompletion(at: time) != nil { ended += 1 }
    }
    #expect(ended == net.flows.count, "seed \(seed)")
  }

  /// To the end of all flows, each link has carried the bytes of the flows that pass it.
  @Test(arguments: UInt64(1)...30) func bytesAreConserved(seed: UInt64) {
    var random = RandomStream(seed: seed, name: "bytes")
    var net = RandomNetwork(&random, links: 6, flows: 25)
    var ended: Set<UInt64> = []
    var last = SimTime.zero
    while let time = net.network.nextCompletion {
      #expect(time >= last)
      last = time
      while let done = net.network.popCompletion(at: time) { ended.insert(done.tag) }
    }
    #expect(ended.count == net.flows.count, "seed \(seed)")
    #expect(net.network.activeFlows == 0)
    for (index, link) in net.links.enumerated() {
      let expected = net.flows.reduce(0) { $0 + ($1.path.contains(index) ? $1.bytes : 0) }
      #expect(net.network.bytesMoved(over: link, at: last) == Double(expected), "seed \(seed)")
    }
  }

  /// A cancelled flow leaves its share to the others, and what it has moved stays moved.
  @Test func cancellingFreesItsShare() {
    var network = FluidNetwork()
    let link = network.addResource(name: "l", bytesPerSecond: 100)
    let stays = network.start(bytes: 1000, path: [link], tag: 1, at: .zero)
    let goes = network.start(bytes: 1000, path: [link], tag: 2, at: .zero)
    #expect(network.rate(of: stays) == 50)
    let now = SimTime.zero + .seconds(4)
    network.cancel(goes, at: now)
    network.cancel(goes, at: now)
    #expect(network.rate(of: goes) == 0)
    #expect(network.rate(of: stays) == 100)
    #expect(network.bytesMoved(over: link, at: now) == 400)
    // 800 bytes at 100 B/s from 4 s on.
    #expect(network.nextCompletion == SimTime.zero + .seconds(12))
    #expect(network.popCompletion(at: .zero + .seconds(12))?.tag == 1)
    #expect(network.bytesMoved(over: link, at: .zero + .seconds(12)) == 1200)
  }

  /// Starting flows one by one gives what starting them together gives.
  @Test(arguments: UInt64(1)...20) func orderOfStartsDoesNotMatter(seed: UInt64) {
    var random = RandomStream(seed: seed, name: "order")
    var net = RandomNetwork(&random, links: 8, flows: 20)
    var stepwise = FluidNetwork()
    let links = net.links.map {
      stepwise.addResource(
        name: net.network.name(of: $0), bytesPerSecond: net.network.capacity(of: $0))
    }
    var ids: [FluidNetwork.FlowID] = []
    for (tag, flow) in net.flows.enumerated() {
      ids.append(
        stepwise.start(
          bytes: flow.bytes, path: flow.path.map { links[$0] }, weight: flow.weight, cap: flow.cap,
          tag: UInt64(tag), at: .zero))
      // Asking settles the rates each time.
      _ = stepwise.nextCompletion
    }
    for (flow, id) in zip(net.flows, ids) {
      let (together, apart) = (net.network.rate(of: flow.id), stepwise.rate(of: id))
      #expect(abs(together - apart) <= 1e-9 * together, "seed \(seed)")
    }
  }
}
