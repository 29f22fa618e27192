// The event queue's order, and waiting times of servers against closed forms.

import EventKernel
import Foundation
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

/// Two threads by hand: jobs of 3 ms at 0, 1, 2 and 2 ms; the third waits for the first thread.
@Test func threadsTakeJobsInOrder() {
  var server = FIFOServer(threads: 2)
  let ends = [0.0, 1, 2, 2].map {
    server.admit(service: .milliseconds(3), at: .zero + .milliseconds($0)).milliseconds
  }
  #expect(ends == [3, 4, 6, 7])
  #expect(server.busy == .milliseconds(12))
}

/// M/D/c: Crommelin's sum (1932) over k of P(N_k ≥ kc) − P(N_k > kc)/ρ, N_k Poisson of mean kcρ.
@Test(arguments: [(2, 0.7), (4, 0.8), (16, 0.9)])
func meanWaitingOfMDc(threads: Int, load: Double) {
  let service = 1e-3
  var expected = 0.0
  for k in 1...400 {
    let mean = Double(k * threads) * load
    let first = k * threads
    // P(N = kc), and P(N > kc) summed upwards.
    let term = exp(Double(first) * log(mean) - mean - lgamma(Double(first) + 1))
    var (above, next) = (0.0, term)
    for j in (first + 1)..<(first + 2000) {
      next *= mean / Double(j)
      above += next
    }
    expected += above + term - above / load
  }
  expected *= service
  var random = RandomStream(seed: 12, name: "mdc")
  var server = FIFOServer(threads: threads)
  var now = SimTime.zero
  var batches: [Double] = []
  for batch in 0..<40 {
    var waited = 0.0
    for _ in 0..<10_000 {
      now = now + .seconds(random.exponential(mean: service / (load * Double(threads))))
      let done = server.admit(service: .seconds(service), at: now)
      waited += (done - now).seconds - service
    }
    if batch > 0 { batches.append(waited / 10_000) }
  }
  let error = abs(Statistics.mean(batches) - expected)
  #expect(error < Statistics.confidenceHalfWidth(batches, level: 0.99), "\(expected)")
}

@Test func drawsRepeatAndCoverTheirRange() {
  var a = DrawStream(seed: 3, name: "x")
  var copy = a
  var other = DrawStream(seed: 3, name: "y")
  let draws = (0..<1000).map { _ in a.integer(below: 5) }
  #expect(draws == (0..<1000).map { _ in copy.integer(below: 5) })
  #expect(draws != (0..<1000).map { _ in other.integer(below: 5) })
  for value in 0..<5 { #expect(abs(draws.count { $0 == value } - 200) < 60) }
  let mean = (0..<1000).reduce(0.0) { sum, _ in sum + a.uniform() } / 1000
  #expect(abs(mean - 0.5) < 0.04)
}

/// Going on at once where nothing else is due is the same as pushing an event and popping it.
@Test(arguments: [UInt64(1), 2, 3]) func skippingIsPushingAndPopping(seed: UInt64) {
  struct Event: Equatable {
    var chain: Int
    var left: Int
  }
  func run(skips: Bool) -> [String] {
    var random = RandomStream(seed: seed, name: "test")
    var queue = EventQueue<Event>()
    var log: [String] = []
    for chain in 0..<20 { queue.push(Event(chain: chain, left: 30), at: .zero, rank: 1) }
    while let (_, popped) = queue.pop() {
      var event = popped
      while event.left > 0 {
        log.append("\(queue.now.picoseconds) \(queue.rank) \(queue.handled) \(event.chain)")
        event.left -= 1
        let time = queue.now + SimDuration(picoseconds: Int64(random.integer(below: 20)))
        let rank = UInt16(event.chain % 3)
        if skips, queue.skip(to: time, rank: rank) { continue }
        queue.push(event, at: time, rank: rank)
        break
      }
    }
    return log
  }
  let log = run(skips: true)
  #expect(log.count == 600)
  #expect(log == run(skips: false), "seed \(seed)")
}

@Test func spansAreRoundedAsNumbersAre() {
  var random = RandomStream(seed: 1, name: "test")
  var numbers = [0, 0.5, 1.5, 2.5, 0.49999999999999994, 999_999_999_999_999.5, 1e15, 4e15 + 1]
  for _ in 0..<1000 { numbers.append(random.uniform() * 1e4) }
  for number in numbers {
    #expect(SimDuration.nearest(number).picoseconds == Int64(number.rounded()), "\(number)")
  }
}
