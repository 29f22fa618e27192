// The event queue's order, and waiting times of servers against closed forms.

import EventKernel
import Testing

@Test(arguments: [UInt64(1), 2, 3]) func popsInTotalOrder(seed: UInt64) {
  var random = RandomStream(seed: seed, name: "test")
  var queue = EventQueue<Int>()
  var expected: [(SimTime, UInt16, Int)] = []
  for index in 0..<2000 {
    let time = SimTime(picoseconds: Int64(random.integer(below: 50)))
    let rank = UInt16(random.integer(below: 3))
    queue.push(index, at: time, rank: rank)
    expected.append((time, rank, index))
  }
  expected.sort { ($0.0, $0.1, $0.2) < ($1.0, $1.1, $1.2) }
  for item in expected { #expect(queue.pop()?.event == item.2, "seed \(seed)") }
  #expect(queue.isEmpty)
}

@Test func streamsAreIndependentByName() {
  var a = RandomStream(seed: 5, name: "arrivals")
  var again = RandomStream(seed: 5, name: "arrivals")
  var b = RandomStream(seed: 5, name: "lengths")
  let first = a.bits()
  #expect(first == again.bits())
  #expect(first != b.bits())
}

/// M/D/1: mean waiting is ρ·S / (2(1 − ρ)); batch means give the interval.
@Test(arguments: [0.5, 0.8, 0.9]) func meanWaitingOfMD1(load: Double) {
  var random = RandomStream(seed: 11, name: "md1")
  var server = FIFOServer()
  let service = SimDuration.milliseconds(1)
  var now = SimTime.zero
  var batches: [Double] = []
  for batch in 0..<40 {
    var waited = 0.0
    for _ in 0..<10_000 {
      now = now + .seconds(random.exponential(mean: 1e-3 / load))
      waited += (server.admit(service: service, at: now) - now - service).seconds
    }
    if batch > 0 { batches.append(waited / 10_000) }
  }
  let expected = load * 1e-3 / (2 * (1 - load))
  let error = abs(Statistics.mean(batches) - expected)
  #expect(error < Statistics.confidenceHalfWidth(batches, level: 0.99))
}
