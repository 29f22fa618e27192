// The processor-sharing server by hand, and against its closed form.

import EventKernel
import Testing

@Suite struct ProcessorSharingTests {
  @Test func twoJobsShare() {
    var server = ProcessorSharing()
    server.add(work: .seconds(2), tag: 1, at: .zero)
    server.add(work: .seconds(1), tag: 2, at: .zero + .seconds(1))
    // One second alone; then halves: both have 1 s left and end together, the elder first.
    #expect(server.nextCompletion == .zero + .seconds(3))
    #expect(server.popCompletion(at: .zero + .seconds(2)) == nil)
    #expect(server.popCompletion(at: .zero + .seconds(3)) == 1)
    #expect(server.popCompletion(at: .zero + .seconds(3)) == 2)
    #expect(server.nextCompletion == nil)
    #expect(server.count == 0)
  }

  /// M/G/1-PS is insensitive (Kleinrock, Queueing Systems II, section 4.4): the mean time in the
  /// system is S / (1 − ρ) whatever the distribution of work.
  @Test(arguments: [(0.5, false), (0.5, true), (0.8, false), (0.8, true)])
  func meanTimeInSystem(load: Double, exponential: Bool) {
    var random = RandomStream(seed: 23, name: "ps")
    var server = ProcessorSharing()
    var arrivals: [SimTime] = []
    var times: [Double] = []
    var next = SimTime.zero + .seconds(random.exponential(mean: 1e-3 / load))
    let count = 100_000
    while times.count < count {
      if let end = server.nextCompletion, end <= next || arrivals.count == count {
        guard let tag = server.popCompletion(at: end) else { continue }
        times.append((end - arrivals[Int(tag)]).seconds)
      } else {
        let work = exponential ? random.exponential(mean: 1e-3) : 1e-3
        server.add(work: .seconds(work), tag: UInt64(arrivals.count), at: next)
        arrivals.append(next)
        next = next + .seconds(random.exponential(mean: 1e-3 / load))
      }
    }
    let batches = stride(from: 5000, to: count, by: 5000).map {
      Statistics.mean(Array(times[$0..<$0 + 5000]))
    }
    let expected = 1e-3 / (1 - load)
    let error = abs(Statistics.mean(batches) - expected)
    #expect(error < Statistics.confidenceHalfWidth(batches, level: 0.99))
  }
}
