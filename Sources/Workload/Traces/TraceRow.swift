// One recorded request, before it takes its place in a run.

import EventKernel

/// A row of a trace.
struct TraceRow {
  /// Line of the file, for messages.
  var line: Int
  /// Recorded instant, picoseconds from any origin: the trace's own, or in a trace whose sessions
  /// have no common clock the session's. Nil where the end of the session's row before decides.
  var time: Int128?
  var inputTokens: Int
  var outputTokens: Int
  /// Names of the prompt's blocks and all before them; nil if it shares nothing.
  var ids: [UInt64]?
  /// The conversation.
  var session: UInt64?
  /// Pause from the end of the session's row before, seconds; nil if it is not recorded.
  var thinkSeconds: Double?
}

/// All rows of a file.
struct TraceRows {
  var blockTokens: Int
  private(set) var rows: [TraceRow] = []
  /// Blocks of all rows' prompts.
  private(set) var blocks = 0
  /// Whether times of different sessions cannot be compared.
  var hasClockPerSession = false
  /// Requests that the file says failed or made no tokens, left out.
  var failed = 0

  init(blockTokens: Int) { self.blockTokens = blockTokens }

  mutating func append(_ row: TraceRow) {
    rows.append(row)
    blocks += size(row)
  }

  mutating func removeAll() {
    rows.removeAll(keepingCapacity: true)
    blocks = 0
  }

  /// Memory that the requests of these rows take, about, bytes.
  var bytes: Int { rows.count * 256 + blocks * 8 }

  /// Drops the rows from `start` on that are not wanted.
  mutating func filter(from start: Int, _ isWanted: (TraceRow) -> Bool) {
    var kept = start
    for index in start..<rows.count {
      if isWanted(rows[index]) {
        rows[kept] = rows[index]
        kept += 1
      } else {
        blocks -= size(rows[index])
      }
    }
    rows.removeSubrange(kept...)
  }

  private func size(_ row: TraceRow) -> Int {
    row.ids?.count ?? (row.inputTokens + blockTokens - 1) / blockTokens
  }
}
