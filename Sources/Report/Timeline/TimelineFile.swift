// A run as a timeline that Perfetto and chrome://tracing open: JSON in Chrome's trace event format
// (Trace Event Format, Google, 2016), written as the run goes.

import EventKernel
import Foundation
import JSONText
import Serving

/// What of a run goes into a timeline.
public struct TimelineScope: Sendable {
  /// Seconds; what overlaps it is shown whole.
  public var window: ClosedRange<Double>
  /// One request in so many is shown.
  public var everyRequest: Int

  public init(window: ClosedRange<Double> = 0...Double.infinity, everyRequest: Int = 1) {
    self.window = window
    self.everyRequest = everyRequest
  }

  func contains(_ begin: SimTime, _ end: SimTime) -> Bool {
    end.seconds >= window.lowerBound && begin.seconds <= window.upperBound
  }

  func shows(request: Int) -> Bool { request >= 0 && request % everyRequest == 0 }
}

/// Writes the timelines of a comparison's systems into one file, one after another.
///
/// Each system has a group of tracks for its engines (a slice a step), requests (a track each, joined
/// by arrows to the engines' first steps for it), transfers, links (GB/s) and, if it has a store,
/// operations and lock managers. Memory does not grow with the run, but for the requests in flight.
public final class TimelineFile: RunObserver {
  /// Groups of tracks of one system: `process` numbers of the format.
  private enum Group: Int, CaseIterable {
    case engines, requests, transfers, links, store
  }

  /// Above all process numbers: a thread whose number is its process's is that one's main thread.
  private static let firstTrack = 1000

  private let output: TimelineOutput
  private let scope: TimelineScope
  private var systems = 0
  private var setting = RunSetting(system: "", roles: [], links: [])
  private var lastRates: [Double] = []
  private var asyncID = 0
  /// Twice the request, and one more for the decode side, of those whose first step was seen.
  private var begun: Set<Int> = []

  /// - Throws: `FileError` if the file cannot be written.
  public init(path: String, scope: TimelineScope) throws(FileError) {
    self.scope = scope
    output = try TimelineOutput(path: path)
  }

  /// Ends the file, which stands at its path from now on.
  public func close() throws(FileError) { try output.close() }

  // MARK: RunObserver

  public func begin(_ setting: RunSetting) {
    self.setting = setting
    systems += 1
    lastRates = Array(repeating: 0, count: setting.links.count)
    begun.removeAll()
    for group in Group.allCases {
      name("process_name", group, nil, "\(setting.system): \(group)")
      let index = JSONValue.integer(number(of: group))
      emit("M", "process_sort_index", group, nil, nil, [("args", .object(["sort_index": index]))])
    }
    for (worker, role) in setting.roles.enumerated() {
      name("thread_name", .engines, worker, "\(role) \(worker)")
    }
  }

  public func step(_ step: ObservedStep) {
    guard scope.contains(step.begin, step.end) else { return }
    var (decodes, prefillTokens, context) = (0, 0, 0)
    for work in step.batch {
      context += work.computed + work.newTokens
      if work.newTokens == 1, work.computed > 0 {
        decodes += 1
      } else {
        prefillTokens += work.newTokens
      }
    }
    var parts: [String] = []
    if prefillTokens > 0 { parts.append("prefill \(prefillTokens) tokens") }
    if decodes > 0 { parts.append("decode \(decodes) sequences") }
    slice(
      parts.joined(separator: ", "), .engines, step.engine, step.begin, step.end,
      [
        "prefill_tokens": .integer(prefillTokens), "decode_sequences": .integer(decodes),
        "context_tokens": .integer(context), "waiting": .integer(step.waiting),
        "requests": .list(step.batch.prefix(64).map { .integer($0.request) }),
      ])
    let middle = Self.middle(step.begin, step.end)
    for work in step.batch where scope.shows(request: work.request) {
      let key = 2 * work.request + (work.isPrefillSide ? 0 : 1)
      guard begun.insert(key).inserted else { continue }
      flow(work.request, .engines, step.engine, middle, isEnd: !work.isPrefillSide)
    }
  }

  public func transfer(_ transfer: ObservedTransfer) {
    guard scope.shows(request: transfer.request), scope.contains(transfer.begin, transfer.end)
    else { return }
    let seconds = (transfer.end - transfer.begin).seconds
    let rate = seconds > 0 ? Double(transfer.bytes) / seconds / 1e9 : 0
    span(
      transfer.kind, .transfers, transfer.begin, transfer.end,
      [
        "request": .integer(transfer.request), "bytes": .integer(transfer.bytes),
        "mean_gbps": .number((rate * 1000).rounded() / 1000),
      ])
  }

  public func request(_ record: RequestRecord) {
    defer {
      begun.remove(2 * record.id)
      begun.remove(2 * record.id + 1)
    }
    guard scope.shows(request: record.id), let end = record.finished,
      scope.contains(record.arrival, end)
    else { return }
    name("thread_name", .requests, record.id, "request \(record.id)")
    let marks: [(String, SimTime?)] = [
      ("waits for prefill", record.arrival), ("prefill", record.prefillScheduled),
      ("waits for decode", record.prefillDone),
      ("KV to decode, first step", record.decodeScheduled), ("decode", record.firstToken),
      ("", end),
    ]
    let reached = marks.compactMap { name, time in time.map { (name, $0) } }
    slice(
      outcome(record), .requests, record.id, record.arrival, end,
      [
        "input_tokens": .integer(record.inputTokens),
        "output_tokens": .integer(record.outputTokens),
        "reused_tokens": .integer(record.cachedTokens),
        "preemptions": .integer(record.preemptions),
      ])
    for (part, next) in zip(reached, reached.dropFirst()) where next.1 > part.1 {
      slice(part.0, .requests, record.id, part.1, next.1)
      // The arrow leaves at the arrival and passes through the hand-over.
      guard part.0 == "waits for decode" else { continue }
      flow(record.id, .requests, record.id, Self.middle(part.1, next.1))
    }
    emit(
      "s", "request", .requests, record.id, record.arrival,
      [("cat", .string("request")), ("id", .integer(flowID(record.id)))])
  }

  public func rates(_ rates: [Double], from begin: SimTime, to end: SimTime) {
    guard scope.contains(begin, end) else { return }
    for (link, rate) in rates.enumerated() {
      let value = (rate / 1e6).rounded() / 1000
      guard value != lastRates[link] else { continue }
      lastRates[link] = value
      emit(
        "C", setting.links[link], .links, nil, begin, [("args", .object(["GB/s": .number(value)]))])
    }
  }

  public func operation(_ operation: ObservedOperation) {
    guard scope.contains(operation.begin, operation.end),
      operation.request.map({ scope.shows(request: $0) }) ?? true
    else { return }
    span(
      "node \(operation.node) \(operation.name)", .store, operation.begin, operation.end,
      operation.request.map { ["request": .integer($0)] } ?? [:])
  }

  public func manager(seat: Int, from begin: SimTime, to end: SimTime) {
    guard scope.contains(begin, end) else { return }
    slice("serves", .store, managerTrack(seat), begin, end)
  }

  public func takeover(seat: Int, at time: SimTime) {
    guard scope.contains(time, time) else { return }
    emit("i", "takes over", .store, managerTrack(seat), time, [("s", .string("p"))])
  }

  // MARK: Events of the format

  private func number(of group: Group) -> Int {
    (systems - 1) * Group.allCases.count + group.rawValue + 1
  }

  private func flowID(_ request: Int) -> Int { request * 1000 + systems }

  private func managerTrack(_ seat: Int) -> Int {
    if begun.insert(-1 - seat).inserted {
      name("thread_name", .store, seat + 1, "lock manager, seat \(seat)")
    }
    return seat + 1
  }

  private func outcome(_ record: RequestRecord) -> String {
    switch record.outcome {
    case .completed: "request \(record.id)"
    case .failed(let reason): "request \(record.id) failed: \(reason)"
    }
  }

  private func name(_ what: String, _ group: Group, _ track: Int?, _ name: String) {
    emit("M", what, group, track, nil, [("args", .object(["name": .string(name)]))])
  }

  /// A slice of a track of its own.
  private func slice(
    _ name: String, _ group: Group, _ track: Int, _ begin: SimTime, _ end: SimTime,
    _ facts: KeyValuePairs<String, JSONValue> = [:]
  ) {
    emit(
      "X", name, group, track, begin,
      // Both ends are rounded alike, so that what follows begins no earlier.
      [("dur", microseconds(nanoseconds: nanoseconds(end) - nanoseconds(begin)))]
        + (facts.isEmpty ? [] : [("args", .object(facts))]))
  }

  /// Something beside others of its kind, on a track of its own while it lasts.
  private func span(
    _ name: String, _ group: Group, _ begin: SimTime, _ end: SimTime,
    _ facts: KeyValuePairs<String, JSONValue>
  ) {
    asyncID += 1
    let mark: [(String, JSONValue)] = [
      ("cat", .string("\(group)")), ("id2", .object(["local": .string("\(asyncID)")])),
    ]
    emit("b", name, group, nil, begin, mark + [("args", .object(facts))])
    emit("e", name, group, nil, end, mark)
  }

  /// An arrow's next point, within the slice of the track at that time.
  private func flow(
    _ request: Int, _ group: Group, _ track: Int, _ time: SimTime, isEnd: Bool = false
  ) {
    emit(
      isEnd ? "f" : "t", "request", group, track, time,
      [("cat", .string("request")), ("id", .integer(flowID(request)))]
        + (isEnd ? [("bp", .string("e"))] : []))
  }

  private func emit(
    _ phase: String, _ name: String, _ group: Group, _ track: Int?, _ time: SimTime?,
    _ more: [(String, JSONValue)] = []
  ) {
    var members: [(key: String, value: JSONNode)] = [
      ("ph", JSONNode(.string(phase))), ("name", JSONNode(.string(name))),
      ("pid", JSONNode(.integer(number(of: group)))),
      ("tid", JSONNode(.integer(track.map { $0 + Self.firstTrack } ?? number(of: group)))),
    ]
    if let time {
      members.append(("ts", JSONNode(microseconds(nanoseconds: nanoseconds(time)))))
    }
    members += more.map { ($0.0, JSONNode($0.1)) }
    output.write(JSONValue.object(members).text(indented: false))
  }

  private static func middle(_ begin: SimTime, _ end: SimTime) -> SimTime {
    SimTime(picoseconds: begin.picoseconds + (end - begin).picoseconds / 2)
  }

  private func nanoseconds(_ time: SimTime) -> Int64 { (time.picoseconds + 500) / 1000 }

  private func microseconds(nanoseconds: Int64) -> JSONValue { .number(Double(nanoseconds) / 1000) }
}
