// What a line of progress says, and when.

import Report
import Testing

@Test func progressTellsRateAndTimeLeft() {
  nonisolated(unsafe) var (now, lines) = (0.0, [String]())
  let line = ProgressLine("requests", write: { lines.append($0) }, clock: { now })
  line.add(100, of: 10_000)
  #expect(lines.isEmpty, "short work shows nothing")
  now = 2
  line.add(900, of: 10_000)
  #expect(lines == ["\r\u{1B}[K1000 of 10000 requests, 500/s, 18 s left"])
  now = 2.1
  line.add(1, of: 10_000)
  #expect(lines.count == 1, "not more than five times a second")
  now = 3
  line.add(2, of: 1_000_000)
  #expect(lines.last == "\r\u{1B}[K1003 of 1000000 requests, 334/s, 49 min 49 s left")
  line.end()
  #expect(lines.last == "\r\u{1B}[K" && lines.count == 3)
}

@Test func progressOfShortWorkLeavesNothing() {
  nonisolated(unsafe) var lines: [String] = []
  let line = ProgressLine("points", write: { lines.append($0) }, clock: { 0 })
  line.add(1, of: 1)
  line.end()
  #expect(lines.isEmpty)
}
