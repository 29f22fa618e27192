// `probe fabric`: given transfers over a non-blocking switch, nothing else.

import EventKernel
import JSONText
import Rack

/// Completion times of transfers between hosts whose ports alone limit them.
public enum FabricProbe {
  private struct Flow {
    var id: Int
    var from: Int
    var to: Int
    var bytes: Int
    var start: SimTime
    /// Share against others: by the bytes it has outstanding.
    var weight: Double
  }

  /// Finish time of every flow of a file, in its order, seconds; latency is paid once.
  /// - Throws: every problem of the file.
  public static func finishSeconds(file: String) throws(WorkloadError)
    -> [(id: String, seconds: Double)]
  {
    let log = ProblemLog(file: file)
    let root: JSONNode
    do {
      root = try JSONParser.parse(try AtomicFile.read(file))
    } catch let error as JSONSyntaxError {
      throw WorkloadError([
        Problem(
          file: file, line: error.line, path: "",
          message: "not valid JSON at column \(error.column): \(error.message)")
      ])
    } catch {
      throw WorkloadError([
        Problem(file: file, line: 0, path: "", message: "cannot be read: \(error)")
      ])
    }
    let reader = ObjectReader(root, path: "$", line: 1, log: log)
    let rack = reader.object("rack")
    let hosts = hostNames(rack)
    let rate = rack.number("nic_gbps", default: 0, in: 0...1e6, open: true)
    if !rack.has("nic_gbps") { rack.report("nic_gbps", "is missing; GB/s per direction") }
    var network = FluidNetwork()
    func ports(_ key: String) -> [FluidNetwork.ResourceID] {
      let overrides = rack.object(key)
      let ports = hosts.map { host in
        let rate = overrides.number(host, default: max(rate, 1e-9), in: 0...1e6, open: true)
        return network.addResource(name: "\(host) \(key)", bytesPerSecond: rate * 1e9)
      }
      overrides.finish()
      return ports
    }
    let tx = ports("tx_gbps")
    let rx = ports("rx_gbps")
    let latency = SimDuration.seconds(rack.number("latency_s", default: 0, in: 0...1e3))
    rack.finish()
    let flows = flows(reader, hosts: hosts)
    reader.finish()
    guard log.problems.isEmpty else { throw WorkloadError(log.problems) }
    let finish = simulate(flows, &network, tx, rx, latency)
    return flows.enumerated().map { ("\($0.element.id)", finish[$0.offset].seconds) }
  }

  private static func hostNames(_ rack: ObjectReader) -> [String] {
    guard case .array(let elements)? = rack.node("hosts")?.value, !elements.isEmpty else {
      rack.report("hosts", "expected an array of host names")
      return []
    }
    var names: [String] = []
    for element in elements {
      guard case .string(let name) = element.value else {
        rack.report("hosts", "expected host names, found \(element.value.kind)")
        continue
      }
      if names.contains(name) { rack.report("hosts", "\"\(name)\" stands twice") }
      names.append(name)
    }
    return names
  }

  private static func flows(_ root: ObjectReader, hosts: [String]) -> [Flow] {
    guard case .array(let elements)? = root.node("flows")?.value else {
      root.report("flows", "expected an array of flows")
      return []
    }
    var ids: Set<Int> = []
    return elements.enumerated().compactMap { index, element in
      let reader = ObjectReader(
        element, path: "$.flows[\(index)]", line: element.line, log: root.log)
      defer { reader.finish() }
      func host(_ key: String) -> Int? {
        guard let name = reader.requiredString(key) else { return nil }
        if let index = hosts.firstIndex(of: name) { return index }
        reader.report(key, "unknown host \"\(name)\"; there are \(hosts.joined(separator: ", "))")
        return nil
      }
      let id = reader.requiredInteger("id", in: 0...Int.max)
      let (from, to) = (host("from"), host("to"))
      let bytes = reader.requiredInteger("bytes", in: 0...1_000_000_000_000_000)
      let start = reader.number("start_s", default: 0, in: 0...1e6)
      let weight = Fabric.weight(
        requestBytes: reader.integer("request_bytes", default: 64, in: 1...1_000_000_000),
        outstanding: reader.integer("outstanding", default: 1, in: 1...1_000_000))
      guard let id, let from, let to, let bytes else { return nil }
      if !ids.insert(id).inserted { reader.report("id", "\(id) stands twice") }
      if from == to { reader.report("to", "is the host the flow comes from") }
      return Flow(
        id: id, from: from, to: to, bytes: bytes, start: .zero + .seconds(start), weight: weight)
    }
  }

  private static func simulate(
    _ flows: [Flow], _ network: inout FluidNetwork, _ tx: [FluidNetwork.ResourceID],
    _ rx: [FluidNetwork.ResourceID], _ latency: SimDuration
  ) -> [SimTime] {
    var finish = Array(repeating: SimTime.zero, count: flows.count)
    var starts = flows.indices.sorted { (flows[$0].start, $0) < (flows[$1].start, $1) }[...]
    while true {
      let start = starts.first.map { flows[$0].start + latency }
      let end = network.nextCompletion
      if let start, start <= end ?? start {
        let flow = flows[starts.removeFirst()]
        let index = flows.firstIndex { $0.id == flow.id } ?? 0
        _ = network.start(
          bytes: flow.bytes, path: [tx[flow.from], rx[flow.to]], weight: flow.weight,
          tag: UInt64(index), at: start)
      } else if let end {
        while let done = network.popCompletion(at: end) { finish[Int(done.tag)] = done.time }
      } else {
        return finish
      }
    }
  }
}
