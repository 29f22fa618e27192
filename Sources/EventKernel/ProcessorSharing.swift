// A single server that all its jobs share equally.

/// An egalitarian processor-sharing server.
///
/// With n jobs each is served at rate 1/n. A job of work w that arrives at attained service v ends
/// when attained service reaches v + w, so jobs end in order of that sum: one heap, no rescaling.
public struct ProcessorSharing {
  private struct Job {
    var finish: Double
    var order: Int
    var tag: UInt64
  }

  private var jobs: [Job] = []
  /// Attained service per job, picoseconds.
  private var attained = 0.0
  private var updated = SimTime.zero
  private var order = 0

  public init() {}

  public var count: Int { jobs.count }

  /// Adds a job of `work` (its duration when alone).
  /// - Complexity: O(log count).
  public mutating func add(work: SimDuration, tag: UInt64, at now: SimTime) {
    advance(to: now)
    jobs.append(Job(finish: attained + Double(work.picoseconds), order: order, tag: tag))
    order += 1
    var position = jobs.count - 1
    while position > 0, precedes(jobs[position], jobs[(position - 1) / 2]) {
      jobs.swapAt(position, (position - 1) / 2)
      position = (position - 1) / 2
    }
  }

  /// When the next job ends if none is added before; nil if idle.
  public var nextCompletion: SimTime? {
    guard let job = jobs.first else { return nil }
    let left = max(0, job.finish - attained) * Double(jobs.count)
    return updated + SimDuration.nearest(left.rounded(.up))
  }

  /// Removes a job that has ended by `now` and returns its tag, or nil.
  /// - Complexity: O(log count).
  public mutating func popCompletion(at now: SimTime) -> UInt64? {
    guard let next = nextCompletion, next <= now, let job = jobs.first else { return nil }
    advance(to: next)
    attained = job.finish
    let last = jobs.removeLast()
    if !jobs.isEmpty { siftDown(last) }
    return job.tag
  }

  private mutating func advance(to now: SimTime) {
    if !jobs.isEmpty {
      attained += Double((now - updated).picoseconds) / Double(jobs.count)
    }
    updated = now
  }

  private func precedes(_ a: Job, _ b: Job) -> Bool { (a.finish, a.order) < (b.finish, b.order) }

  private mutating func siftDown(_ job: Job) {
    var position = 0
    while true {
      var child = 2 * position + 1
      guard child < jobs.count else { break }
      if child + 1 < jobs.count, precedes(jobs[child + 1], jobs[child]) { child += 1 }
      guard precedes(jobs[child], job) else { break }
      jobs[position] = jobs[child]
      position = child
    }
    jobs[position] = job
  }
}
