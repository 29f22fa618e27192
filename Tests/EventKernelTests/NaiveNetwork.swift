// A fluid network as the textbook has it: every flow by itself, everything computed anew each time.

import EventKernel

/// What `FluidNetwork` is compared with. Links are numbers; times are seconds.
struct NaiveNetwork {
  struct Flow {
    var tag: UInt64
    var path: [Int]
    var weight: Double
    var cap: Double
    var bytes: Double
    var left: Double
    var rate = 0.0
  }

  var capacities: [Double]
  /// The first links that are egresses, and how far these are coupled.
  let egresses: Int
  let coupling: Double
  private(set) var flows: [Flow] = []
  /// Bytes that have passed each link.
  private(set) var carried: [Double]
  private var now = 0.0

  init(capacities: [Double], egresses: Int = 0, coupling: Double = 0) {
    self.capacities = capacities
    self.egresses = egresses
    self.coupling = coupling
    carried = capacities.map { _ in 0 }
  }

  mutating func start(_ flow: Flow) { flows.append(flow) }

  /// - Returns: the flow as it was.
  mutating func remove(_ tag: UInt64) -> Flow {
    flows.remove(at: flows.firstIndex { $0.tag == tag }!)
  }

  mutating func advance(to time: Double) {
    for index in flows.indices {
      let bytes = flows[index].rate * (time - now)
      flows[index].left -= bytes
      for link in flows[index].path { carried[link] += bytes }
    }
    now = time
  }

  mutating func share() {
    let fluid = rates(coupled: false)
    let coupled = coupling > 0 ? rates(coupled: true) : fluid
    for index in flows.indices {
      flows[index].rate = (1 - coupling) * fluid[index] + coupling * coupled[index]
    }
  }

  /// Progressive filling, Bertsekas and Gallager, section 6.5.2.
  private func rates(coupled: Bool) -> [Double] {
    var rates = [Double?](repeating: nil, count: flows.count)
    func freeze(_ index: Int, at level: Double) {
      rates[index] = min(flows[index].cap, level * flows[index].weight)
    }
    while rates.contains(where: { $0 == nil }) {
      let levels = capacities.indices.map { link in
        let on = flows.indices.filter { flows[$0].path.contains(link) }
        let used = on.reduce(0) { $0 + (rates[$1] ?? 0) }
        let weight = on.reduce(0) { $0 + (rates[$1] == nil ? flows[$1].weight : 0) }
        return weight > 0 ? max(0, capacities[link] - used) / weight : .infinity
      }
      let level = levels.min()!
      let open = flows.indices.filter { rates[$0] == nil }
      let first = open.min { flows[$0].cap / flows[$0].weight < flows[$1].cap / flows[$1].weight }!
      if flows[first].cap / flows[first].weight <= level {
        rates[first] = flows[first].cap
        continue
      }
      let full = levels.firstIndex(of: level)!
      let blocked = open.filter { flows[$0].path.contains(full) }
      for index in blocked { freeze(index, at: level) }
      guard coupled else { continue }
      for index in blocked {
        let before = flows[index].path.prefix { $0 != full }
        guard let egress = before.first(where: { $0 < egresses }) else { continue }
        for other in open where rates[other] == nil && flows[other].path.contains(egress) {
          freeze(other, at: level)
        }
      }
    }
    return rates.map { $0! }
  }
}
