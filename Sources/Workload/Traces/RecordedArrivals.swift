// From a trace's rows to the requests of a run: whose turn follows whose, and when each arrives.

import EventKernel

extension RequestStream {
  /// The longest a trace may span, seconds; simulated time is counted in 64 bits.
  static var spanLimit: Double { 8e6 }

  static func tooLong(_ file: String) -> WorkloadError {
    WorkloadError([
      Problem(
        file: file, line: 0, path: "",
        message: "spans more than \(Int(spanLimit)) s; take a part of it with from_s and to_s, or "
          + "speed it up")
    ])
  }

  /// The first `limit` requests of a trace, nil for all, as `arrivals` wants them.
  /// - Throws: every problem of the file.
  public static func trace(
    _ spec: Traffic.TraceSpec, limit: Int?, arrivals: Traffic.Arrivals, seed: UInt64
  ) throws(WorkloadError) -> RequestStream {
    try replayed(
      try TraceFile.rows(spec, limit: limit), spec, arrivals, file: spec.path, seed: seed)
  }

  /// `count` requests of a session model, or those whose prompts can be held.
  /// - Throws: what its sessions need to begin.
  public static func sessions(
    _ spec: Traffic.SessionSpec, count: Int, arrivals: Traffic.Arrivals, seed: UInt64
  ) throws(WorkloadError) -> RequestStream {
    try replayed(
      spec.model.rows(count: count, seed: seed),
      Traffic.TraceSpec(path: "", speedup: spec.speedup), arrivals, file: spec.model.rawValue,
      seed: seed)
  }

  /// The requests of a trace, in the order in which they would arrive if answers took no time.
  /// - Throws: what the arrivals need and the trace does not have.
  static func replayed(
    _ trace: TraceRows, _ spec: Traffic.TraceSpec, _ arrivals: Traffic.Arrivals, file: String,
    seed: UInt64
  ) throws(WorkloadError) -> RequestStream {
    func failure(_ message: String, line: Int = 0) -> WorkloadError {
      WorkloadError([Problem(file: file, line: line, path: "", message: message)])
    }
    var isReplaced = true
    switch arrivals {
    case .recorded, .sessions: isReplaced = false
    default: break
    }
    var turns = try trace.turns(arrivals) { failure($0, line: $1) }
    let origin = turns.first?.time ?? 0
    var smear = RandomStream(seed: seed, name: "smear")
    for index in turns.indices where turns[index].follows == nil {
      let offset = Double(turns[index].time - origin) * 1e-12
      let spread =
        spec.smearSeconds > 0 && !isReplaced ? smear.uniform() * spec.smearSeconds : 0
      turns[index].start = (offset + spread) / spec.speedup
    }
    var users: Int?
    if case .sessions(let sessions) = arrivals {
      users = sessions.concurrency
      turns.begin(sessions, seed: seed)
    }
    turns.settle()
    guard turns.allSatisfy({ $0.start <= spanLimit && $0.pause <= spanLimit }) else {
      throw tooLong(file)
    }
    // Equal times keep the trace's order.
    let starts = turns.map { SimTime.zero + .seconds($0.start) }
    let order = turns.indices.sorted { (starts[$0], $0) < (starts[$1], $1) }
    var places = [Int32](repeating: 0, count: order.count)
    for (place, turn) in order.enumerated() { places[turn] = Int32(place) }
    let requests = order.map { turn in
      let row = trace.rows[turns[turn].row]
      var request = OfferedRequest(
        arrival: starts[turn], inputTokens: row.inputTokens,
        outputTokens: row.outputTokens,
        promptIDs: row.ids
          ?? uniqueIDs(turns[turn].row, tokens: row.inputTokens, blockTokens: trace.blockTokens),
        session: row.session)
      request.follows = turns[turn].follows.map { places[$0] }
      request.pause = .seconds(turns[turn].pause)
      return request
    }
    return RequestStream(
      blockTokens: trace.blockTokens, requests: requests, concurrency: users)
  }
}

/// A row on its way to a request.
private struct Turn {
  var row: Int
  /// Recorded picoseconds; of rows without any, of the last row above with one.
  var time: Int128
  /// Position of the turn whose end this one awaits.
  var follows: Int?
  /// Seconds from that end, or before the first turn of a session that awaits its turn.
  var pause = 0.0
  /// When it would arrive if answers took no time, seconds.
  var start = 0.0
}

extension TraceRows {
  /// Rows with their predecessors as `arrivals` wants them.
  fileprivate func turns(
    _ arrivals: Traffic.Arrivals, _ failure: (String, Int) -> WorkloadError
  ) throws(WorkloadError) -> [Turn] {
    var sessions: Traffic.SessionArrivals?
    var isReplaced = true
    switch arrivals {
    case .recorded: isReplaced = false
    case .sessions(let given): sessions = given
    default: break
    }
    if hasClockPerSession, !isReplaced || sessions?.hasRecordedStarts == true {
      throw failure(
        "its sessions have no common clock; let arrivals be of the process \"sessions\" with a "
          + "concurrency or rate_rps", 0)
    }
    var latest: [UInt64: Int] = [:]
    var time: Int128 = 0
    var turns: [Turn] = []
    turns.reserveCapacity(rows.count)
    for (index, row) in rows.enumerated() {
      time = row.time ?? time
      var turn = Turn(row: index, time: time)
      let before = row.session.flatMap { latest[$0] }
      if !isReplaced || sessions != nil {
        if row.time == nil, before == nil, sessions?.hasRecordedStarts ?? true {
          throw failure(
            row.thinkSeconds == nil
              ? "records no times; give arrivals, e.g. {\"process\": \"poisson\", \"rate_rps\": 1}"
              : "a delay needs an earlier request of its session, or a timestamp", row.line)
        }
        if sessions != nil || row.time == nil {
          guard row.session != nil || row.time == nil else {
            throw failure("names no sessions, which the arrivals need", row.line)
          }
          turn.follows = before
          guard before == nil || sessions?.thinkSeconds != nil || row.thinkSeconds != nil else {
            throw failure(
              "records no think times; give think_time_s beside the process \"sessions\"",
              row.line)
          }
          turn.pause = before == nil ? 0 : row.thinkSeconds ?? 0
        }
      }
      if let session = row.session { latest[session] = index }
      turns.append(turn)
    }
    return turns
  }
}

extension [Turn] {
  /// When sessions begin, and how long their users think.
  fileprivate mutating func begin(_ sessions: Traffic.SessionArrivals, seed: UInt64) {
    var thinking = RandomStream(seed: seed, name: "think times")
    if let mean = sessions.thinkSeconds {
      for index in indices where self[index].follows != nil {
        self[index].pause = mean > 0 ? thinking.exponential(mean: mean) : 0
      }
    }
    if let rate = sessions.ratePerSecond {
      var random = RandomStream(seed: seed, name: "arrivals")
      var time = 0.0
      for index in indices where self[index].follows == nil {
        time += random.exponential(mean: 1 / rate)
        self[index].start = time
      }
    }
    guard let users = sessions.concurrency else { return }
    // Sessions in order, each as a user's is over.
    settle()
    var length: [Int: Double] = [:]
    var roots = [Int](indices)
    for index in indices {
      if let before = self[index].follows { roots[index] = roots[before] }
      length[roots[index], default: 0] = self[index].start - self[roots[index]].start
    }
    // Users by the time at which they are free.
    var free = EventQueue<Int>()
    for user in 0..<Swift.min(users, count) { free.push(user, at: .zero) }
    for index in indices where self[index].follows == nil {
      guard let (time, user) = free.pop() else { return }
      self[index].start = time.seconds
      let end = time.seconds + (length[index] ?? 0)
      // Beyond the limit it is refused whatever its time.
      free.push(user, at: .zero + .seconds(Swift.min(end, RequestStream.spanLimit + 1)))
    }
  }

  /// Starts of turns that follow others; those stand before them.
  fileprivate mutating func settle() {
    for index in indices {
      if let before = self[index].follows {
        self[index].start = self[before].start + self[index].pause
      }
    }
  }
}
