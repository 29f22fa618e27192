// The `faults` part of a workload file.

import JSONText
import Rack

extension WorkloadDecoder {
  private enum FaultKind: String, CaseIterable {
    case nodeCrash = "node_crash"
    case managerPause = "manager_pause"
    case cxlDegradation = "cxl_degradation"
    case linkDown = "link_down"
  }

  private static var seconds: ClosedRange<Double> { 0...1e6 }

  func faults(_ root: ObjectReader, rack: RackSpec?) -> [Fault] {
    guard let node = root.node("faults") else { return [] }
    guard case .array(let elements) = node.value else {
      root.report("faults", "expected an array, found \(node.value.kind)")
      return []
    }
    return elements.enumerated().compactMap { index, element in
      let reader = ObjectReader(
        element, path: "$.faults[\(index)]", line: element.line, log: log)
      defer { reader.finish() }
      return fault(reader, workers: rack?.hostCount)
    }
  }

  private func fault(_ reader: ObjectReader, workers: Int?) -> Fault? {
    let kind = reader.requiredChoice("kind", of: FaultKind.self)
    let at = reader.requiredNumber("at_s", in: Self.seconds)
    let result: Fault.Kind?
    switch kind {
    case nil: result = nil
    case .nodeCrash:
      let back = reader.optionalNumber("return_after_s", in: Self.seconds, open: true)
      if !reader.has("worker") { reader.report("worker", "is missing; a whole number is required") }
      result = worker(reader, workers).map { .nodeCrash(worker: $0, returnAfterSeconds: back) }
    case .managerPause: result = span(reader).map { .managerPause(forSeconds: $0) }
    case .cxlDegradation:
      let latency = reader.number("latency_factor", default: 1, in: 1...1e6)
      let bandwidth = reader.number("bandwidth_factor", default: 1, in: 0...1, open: true)
      result = span(reader).map {
        .cxlDegradation(forSeconds: $0, latencyFactor: latency, bandwidthFactor: bandwidth)
      }
    case .linkDown:
      let link = reader.requiredChoice("link", of: Fault.Link.self)
      let span = span(reader)
      let worker = worker(reader, workers)
      if let link, link != .cxl, !reader.has("worker") {
        reader.report("worker", "is missing; \(link.rawValue) is a link of one worker")
      }
      if link == .cxl, reader.has("worker") {
        reader.report("worker", "does not belong to cxl, which all workers share")
      }
      guard let link, let span else { return nil }
      result = .linkDown(link, worker: worker, forSeconds: span)
    }
    guard let result, let at else { return nil }
    return Fault(atSeconds: at, kind: result)
  }

  private func span(_ reader: ObjectReader) -> Double? {
    reader.requiredNumber("for_s", in: Self.seconds, open: true)
  }

  /// Workers count from 0, prefill first, as in the reports.
  private func worker(_ reader: ObjectReader, _ workers: Int?) -> Int? {
    guard let worker = reader.optionalInteger("worker", in: 0...2047) else { return nil }
    if let workers, worker >= workers {
      reader.report("worker", "there is no worker \(worker); the rack has 0 to \(workers - 1)")
    }
    return worker
  }
}
