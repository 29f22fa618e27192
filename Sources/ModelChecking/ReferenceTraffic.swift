// Traffic on small networks that another simulator has run, replayed on our fluid network.

import EventKernel

/// Cases of links and flows, each flow with the time that it took in the other simulator.
struct ReferenceTraffic {
  struct Flow {
    /// Links passed, as indices of the case's capacities.
    var path: [Int]
    var start: SimTime
    var bytes: Int
    /// Paid before the first byte.
    var latency: SimDuration
    /// The flow's own limit, bytes/s.
    var cap: Double
    /// Start to last byte at the receiver, microseconds.
    var referenceMicroseconds: Double
  }

  struct Case {
    var name: String
    /// Bytes/s of each link.
    var capacities: [Double] = []
    var flows: [Flow] = []
  }

  private(set) var cases: [Case] = []

  /// - Parameters:
  ///   - links: columns `case`, `link` (from 0 in each case), `gbps`.
  ///   - flows: columns `case`, `path` (links with spaces between), `start_us`, `bytes`,
  ///     `latency_us`, `cap_gbps` (0: none), `fct_us`.
  init(links: ReferenceTable, flows: ReferenceTable) {
    var places: [String: Int] = [:]
    for row in links.rows {
      let name = links.text("case", row)
      let place = places[name] ?? cases.count
      places[name] = place
      if place == cases.count { cases.append(Case(name: name)) }
      cases[place].capacities.append(links.number("gbps", row) * 1e9)
    }
    for row in flows.rows {
      let cap = flows.number("cap_gbps", row)
      cases[places[flows.text("case", row)]!].flows.append(
        Flow(
          path: flows.text("path", row).split(separator: " ").map { Int($0)! },
          start: .zero + .microseconds(flows.number("start_us", row)),
          bytes: Int(flows.number("bytes", row)),
          latency: .microseconds(flows.number("latency_us", row)),
          cap: cap > 0 ? cap * 1e9 : .infinity,
          referenceMicroseconds: flows.number("fct_us", row)))
    }
  }

  /// One row for each flow: how long it took there, and how long it takes on a fluid network.
  /// - Parameter weight: a flow's share against others.
  func rows(weight: (Flow) -> Double) -> [Validation.Row] {
    cases.flatMap { one in
      let durations = Self.durations(one, weight: weight)
      return one.flows.indices.map { index in
        Validation.Row(
          "\(one.name) flow \(index), \(one.flows[index].bytes) B",
          reference: one.flows[index].referenceMicroseconds,
          model: durations[index].seconds * 1e6)
      }
    }
  }

  /// One row for each case: the mean duration of its flows, all of equal weight.
  /// - Parameter coupling: of the egresses, which are the first links of the flows.
  func means(coupling: Double) -> [Validation.Row] {
    cases.map { one in
      let durations = Self.durations(one, coupling: coupling) { _ in 1 }
      let count = Double(one.flows.count)
      return Validation.Row(
        one.name,
        reference: one.flows.reduce(0) { $0 + $1.referenceMicroseconds } / count,
        model: durations.reduce(0) { $0 + $1.seconds * 1e6 } / count)
    }
  }

  private static func durations(
    _ one: Case, coupling: Double = 0, weight: (Flow) -> Double
  ) -> [SimDuration] {
    var network = FluidNetwork()
    let links = one.capacities.indices.map {
      network.addResource(name: "\($0)", bytesPerSecond: one.capacities[$0])
    }
    network.coupleHeadOfLine(
      at: Set(one.flows.map { $0.path[0] }).sorted().map { links[$0] }, coupling: coupling)
    let begins = one.flows.map { $0.start + $0.latency }
    var waiting = begins.indices.sorted { (begins[$0], $0) < (begins[$1], $1) }[...]
    var durations = Array(repeating: SimDuration.zero, count: one.flows.count)
    while true {
      let end = network.nextCompletion
      if let index = waiting.first, end.map({ begins[index] <= $0 }) ?? true {
        waiting.removeFirst()
        let flow = one.flows[index]
        _ = network.start(
          bytes: flow.bytes, path: flow.path.map { links[$0] }, weight: weight(flow),
          cap: flow.cap, tag: UInt64(index), at: begins[index])
      } else if let end {
        while let done = network.popCompletion(at: end) {
          durations[Int(done.tag)] = done.time - one.flows[Int(done.tag)].start
        }
      } else {
        return durations
      }
    }
  }
}
