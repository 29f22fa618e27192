// `probe store`: what the store's operations cost on a given device, in virtual time.

import EventKernel
import Rack
import SharedMemory
import TractStore

/// Latencies of the store's operations on a number of nodes and one device.
public struct StoreProbe: Sendable {
  /// What is probed.
  public struct Setting: Sendable {
    public var nodes: Int
    /// Locks that exist: the store's own three, the others are index shards.
    public var locks: Int
    /// Bulk reads on the busiest hop, share of its bandwidth in 0…1.
    public var bulkLoad: Double
    public var seed: UInt64
    /// Pause between two polls of a line, seconds.
    public var pollSeconds: Double

    public init(nodes: Int, locks: Int, bulkLoad: Double, seed: UInt64, pollSeconds: Double) {
      self.nodes = nodes
      self.locks = locks
      self.bulkLoad = bulkLoad
      self.seed = seed
      self.pollSeconds = pollSeconds
    }
  }

  /// One kind of operation, sampled.
  public struct Figure: Sendable {
    public var key: String
    public var title: String
    /// Seconds, ascending.
    public var samples: [Double]

    public var mean: Double { Statistics.mean(samples) }
    public var p99: Double { Statistics.quantile(sorted: samples, 0.99) }
  }

  /// Allowed values.
  public static var nodeRange: ClosedRange<Int> { 2...255 }
  public static var lockRange: ClosedRange<Int> { 4...1024 }

  /// Latency of one line access under the load, seconds.
  public let latencySeconds: Double
  /// The store as it is.
  public let store: [Figure]
  /// The lock with a manager that scans every slot of every lock.
  public let paper: [Figure]

  /// Blocks of a prefix that is looked up and pinned.
  public static var prefixBlocks: Int { 128 }

  /// Samples of each operation; fewer where many nodes poll through the paper's very long scans.
  private static func samples(_ setting: Setting) -> Int {
    max(25, min(1000, 1_400_000_000 / (setting.nodes * setting.nodes * setting.locks)))
  }

  /// Runs the probe; the result depends on the arguments alone.
  public init(_ cxl: CXLSpec, _ setting: Setting) {
    let timing = StoreDriver.timing(
      cxl, load: CXLLoad(utilisation: setting.bulkLoad, writeShare: 0))
    latencySeconds = timing.latency * 1e-9
    store = Self.probeStore(setting, timing)
    paper = Self.probePaper(setting, timing)
  }

  private static func probeStore(_ setting: Setting, _ timing: LineTiming) -> [Figure] {
    let shards = setting.locks - 3
    // Room for the prefix and for every block that is allocated on any node.
    let blocks = (prefixBlocks + samples(setting)) * 2 + setting.nodes * 16
    let geometry: PoolGeometry
    do {
      geometry = try PoolGeometry(
        nodes: setting.nodes, payloadBytes: UInt64(blocks * 64), blockBytes: 64, shards: shards,
        pinnedBlocksPerNode: 2 * prefixBlocks)
    } catch {
      preconditionFailure("the probe's pool cannot be: \(error)")
    }
    func bench() -> ProbeBench<StoreLock> {
      ProbeBench(StoreLock(geometry, setting), setting, timing, bytes: Int(geometry.metadataBytes))
    }
    var locks = bench()
    StoreLock.join(&locks)
    var figures = lockFigures(&locks, samples(setting), bench: bench)
    var random = RandomStream(seed: setting.seed, name: "probe store operations")
    figures += operationFigures(&locks, samples(setting), &random)
    return figures
  }

  private static func probePaper(_ setting: Setting, _ timing: LineTiming) -> [Figure] {
    let poll = UInt64((setting.pollSeconds * 1e9).rounded(.up))
    let lock = PaperLock(nodes: setting.nodes, locks: setting.locks, pollNanoseconds: poll)
    func bench() -> ProbeBench<PaperLockModel> {
      ProbeBench(PaperLockModel(lock), setting, timing, bytes: lock.bytes)
    }
    var locks = bench()
    PaperLockModel.join(&locks)
    return lockFigures(&locks, samples(setting), bench: bench)
  }

  private static func lockFigures<Model: LockModel>(
    _ locks: inout ProbeBench<Model>, _ samples: Int, bench: () -> ProbeBench<Model>
  ) -> [Figure] {
    let alone = locks.passages(samples)
    var contended = bench()
    Model.join(&contended)
    let handovers = contended.handovers(4 * samples)
    return [
      Figure(key: "handover", title: "lock handover, all nodes waiting", samples: handovers),
      Figure(key: "passage", title: "lock passage, nobody waiting", samples: alone),
    ]
  }

  private static func operationFigures(
    _ bench: inout ProbeBench<StoreLock>, _ samples: Int, _ random: inout RandomStream
  ) -> [Figure] {
    let nodes = bench.nodes
    var next = 0
    func hashes(_ count: Int) -> [BlockHash] {
      defer { next += count }
      return (0..<count).map { _ in BlockHash(hi: random.bits(), lo: random.bits()) }
    }
    let prefix = hashes(prefixBlocks)
    var figures = [
      Figure(key: "allocate", title: "allocate a block (PutStart)", samples: []),
      Figure(key: "claim", title: "allocate, claiming a chunk", samples: []),
      Figure(key: "lookup", title: "look \(prefixBlocks) blocks up (LookUp)", samples: []),
      Figure(key: "pin", title: "pin and unpin \(prefixBlocks) blocks", samples: []),
    ]
    let (outcomes, _) = bench.run(PutStart(prefix), node: 0)
    _ = bench.run(PutEnd(reservations(outcomes), pinning: false), node: 0)
    for index in 0..<samples {
      let node = index % nodes
      let claims = bench.model.clients[node].freeBlocks == 0
      let (put, seconds) = bench.run(PutStart(hashes(1)), node: node)
      figures[claims ? 1 : 0].samples.append(seconds)
      _ = bench.run(PutEnd(reservations(put), pinning: false), node: node)
    }
    for index in 0..<samples {
      let node = index % nodes
      let (found, seconds) = bench.run(LookUp(prefix), node: node)
      precondition(found == prefixBlocks, "the prefix has been published")
      figures[2].samples.append(seconds)
      let (pins, pinning) = bench.run(PinBlocks(prefix, stopsAtMiss: true), node: node)
      let pinned = pins.compactMap { if case .pinned(let block) = $0 { block } else { nil } }
      let (_, unpinning) = bench.run(Unpin(pinned), node: node)
      figures[3].samples.append(pinning + unpinning)
    }
    for index in figures.indices { figures[index].samples.sort() }
    return figures
  }

  private static func reservations(_ outcomes: [PutOutcome]) -> [Reservation] {
    outcomes.compactMap { if case .reserved(let reservation) = $0 { reservation } else { nil } }
  }
}

/// What a node's step on the lock came to.
enum PassageStep {
  /// Go on after a pause, nanoseconds.
  case waits(UInt64)
  /// The grant has been seen; the next step releases.
  case granted(UInt64)
  case released
}

/// A lock whose handover can be probed.
protocol LockModel {
  var nodes: Int { get }
  mutating func begin(node: Int, holdNanoseconds: UInt64)
  mutating func step(node: Int, _ memory: inout ProbeMemory) -> PassageStep
  /// One step of the manager; returns the pause after it, nanoseconds.
  mutating func stepManager(_ memory: inout ProbeMemory) -> UInt64
  /// Sets the device up.
  static func join(_ bench: inout ProbeBench<Self>)
}

/// Nodes and a manager in virtual time. Ties go to the manager, then to the lowest node.
struct ProbeBench<Model: LockModel> {
  private enum Event {
    case node(Int)
    case manager
    case arrival(memory: Int, LineWrite)
  }

  var model: Model
  let nodes: Int
  private var queue = EventQueue<Event>()
  /// One for each node, then the manager's: it has a core of its own.
  private var memories: [ProbeMemory]
  private var random: RandomSource

  init(
    _ model: Model, _ setting: StoreProbe.Setting, _ timing: LineTiming, bytes: Int
  ) {
    self.model = model
    nodes = setting.nodes
    let pool = TimedPool(metadataBytes: bytes)
    memories = (0...setting.nodes).map { ProbeMemory(pool: pool, host: $0, timing: timing) }
    random = RandomSource(seed: setting.seed, name: "probe locks")
  }

  /// Lets `body` work on the device outside time.
  mutating func setUp(_ body: (inout Model, inout [ProbeMemory]) -> Void) {
    body(&model, &memories)
    for index in memories.indices {
      for late in memories[index].takeLate() { memories[index].arrive(late.write) }
      memories[index].beginStep()
    }
    queue.push(.manager, at: .zero)
  }

  /// Lets time go on until a node is to step; manager and arrivals take their turns meanwhile.
  private mutating func next() -> Int {
    while let (_, event) = queue.pop() {
      switch event {
      case .node(let node): return node
      case .arrival(let memory, let write): memories[memory].arrive(write)
      case .manager:
        memories[nodes].beginStep()
        let pause = model.stepManager(&memories[nodes])
        queue.push(.manager, at: end(nodes) + .nanoseconds(Double(pause)))
      }
    }
    preconditionFailure("the manager never ends")
  }

  /// When the step that a memory has just made ends; sends its late writes on their way.
  private mutating func end(_ memory: Int) -> SimTime {
    for late in memories[memory].takeLate() {
      queue.push(
        .arrival(memory: memory, late.write), at: queue.now + .nanoseconds(late.after))
    }
    return queue.now + .nanoseconds(memories[memory].elapsed)
  }

  private mutating func resume(_ node: Int, at time: SimTime) {
    queue.push(.node(node), at: time, rank: UInt16(node + 1))
  }

  /// Up to `span` nanoseconds, so that nothing keeps step with the manager's scan.
  private mutating func jitter(_ span: Double) -> UInt64 { UInt64(random.uniform() * span) }

  /// Runs one operation from now on; its output and how long it took, seconds.
  mutating func run<O: Operation>(_ operation: O, node: Int) -> (O.Output, Double)
  where Model == StoreLock {
    var operation = operation
    let start = queue.now + .nanoseconds(Double(jitter(10_000)))
    resume(node, at: start)
    while true {
      _ = next()
      memories[node].beginStep()
      let step = operation.step(&memories[node], &model.clients[node])
      let end = end(node)
      switch step {
      case .done(let output):
        // Time catches up before anything else begins.
        resume(node, at: end)
        _ = next()
        return (output, (end - start).seconds)
      case .sync: resume(node, at: end)
      case .wait(let nanoseconds): resume(node, at: end + .nanoseconds(Double(nanoseconds)))
      }
    }
  }

  /// Passages of one node at a time, in turn: seconds from request to the end of the release.
  mutating func passages(_ count: Int) -> [Double] {
    var samples: [Double] = []
    for index in 0..<count {
      let node = index % nodes
      let start = queue.now + .nanoseconds(Double(jitter(10_000)))
      model.begin(node: node, holdNanoseconds: 0)
      resume(node, at: start)
      var isDone = false
      while !isDone {
        _ = next()
        memories[node].beginStep()
        let step = model.step(node: node, &memories[node])
        let end = end(node)
        switch step {
        case .waits(let pause), .granted(let pause):
          resume(node, at: end + .nanoseconds(Double(pause)))
        case .released:
          samples.append((end - start).seconds)
          resume(node, at: end)
          _ = next()
          isDone = true
        }
      }
    }
    return samples.sorted()
  }

  /// All nodes want one lock all the time: seconds from the begin of a release to the end of the
  /// poll in which the next holder sees its grant.
  mutating func handovers(_ count: Int) -> [Double] {
    var samples: [Double] = []
    var released: SimTime?
    for node in 0..<nodes {
      model.begin(node: node, holdNanoseconds: jitter(1000))
      resume(node, at: queue.now + .nanoseconds(Double(jitter(1000))))
    }
    // The first round is not in a steady state yet.
    var skipped = 0
    while samples.count < count {
      let node = next()
      let start = queue.now
      memories[node].beginStep()
      let step = model.step(node: node, &memories[node])
      let end = end(node)
      switch step {
      case .waits(let pause): resume(node, at: end + .nanoseconds(Double(pause)))
      case .granted(let pause):
        if let released, skipped >= nodes { samples.append((end - released).seconds) }
        skipped += 1
        resume(node, at: end + .nanoseconds(Double(pause)))
      case .released:
        released = start
        model.begin(node: node, holdNanoseconds: jitter(1000))
        resume(node, at: end)
      }
    }
    return samples.sorted()
  }
}

/// A random stream that a copyable bench can hold.
private final class RandomSource {
  private var stream: RandomStream
  init(seed: UInt64, name: String) { stream = RandomStream(seed: seed, name: name) }
  func uniform() -> Double { stream.uniform() }
}

/// The production lock: clients and manager as they are.
struct StoreLock: LockModel {
  let geometry: PoolGeometry
  var clients: [StoreClient]
  private var manager: LockManager
  private var passages: [LockPassage?]
  private let seed: UInt64

  init(_ geometry: PoolGeometry, _ setting: StoreProbe.Setting) {
    let poll = UInt64((setting.pollSeconds * 1e9).rounded(.up))
    self.geometry = geometry
    seed = setting.seed
    clients = (0..<geometry.nodes).map { StoreClient(geometry, node: $0, pollNanoseconds: poll) }
    manager = LockManager(geometry, pollNanoseconds: poll)
    passages = Array(repeating: nil, count: geometry.nodes)
  }

  var nodes: Int { geometry.nodes }

  /// Heartbeats, one in an eighth of a lease, are left out of the probe.
  static func join(_ bench: inout ProbeBench<StoreLock>) {
    bench.setUp { model, memories in
      func settle() {
        for index in memories.indices {
          for late in memories[index].takeLate() { memories[index].arrive(late.write) }
          memories[index].beginStep()
        }
      }
      let managerIndex = memories.count - 1
      Pool.format(&memories[0], model.geometry, hashSeed: model.seed)
      settle()
      while !model.manager.isRuling {
        _ = model.manager.step(&memories[managerIndex])
        settle()
      }
      for node in model.clients.indices {
        var join = Join()
        while true {
          let step = join.step(&memories[node], &model.clients[node])
          settle()
          if case .done = step { break }
        }
      }
      while model.manager.step(&memories[managerIndex]) == .sync { settle() }
    }
  }

  mutating func begin(node: Int, holdNanoseconds: UInt64) {
    // Any lock will do.
    passages[node] = LockPassage(geometry.locks / 2, holdNanoseconds: holdNanoseconds)
  }

  mutating func step(node: Int, _ memory: inout ProbeMemory) -> PassageStep {
    guard var passage = passages[node] else { preconditionFailure("no passage has begun") }
    let step = passage.step(&memory, &clients[node])
    passages[node] = passage
    switch step {
    case .done: return .released
    case .sync: return .waits(0)
    case .wait(let nanoseconds):
      return passage.isHeld ? .granted(nanoseconds) : .waits(nanoseconds)
    }
  }

  mutating func stepManager(_ memory: inout ProbeMemory) -> UInt64 {
    if case .wait(let nanoseconds) = manager.step(&memory) { return nanoseconds }
    return 0
  }
}

/// The paper's lock.
struct PaperLockModel: LockModel {
  private enum Phase { case asks, polls, holds }

  private var lock: PaperLock
  private var phases: [Phase]
  private var holds: [UInt64]

  init(_ lock: PaperLock) {
    self.lock = lock
    phases = Array(repeating: .asks, count: lock.nodes)
    holds = Array(repeating: 0, count: lock.nodes)
  }

  var nodes: Int { lock.nodes }

  static func join(_ bench: inout ProbeBench<PaperLockModel>) { bench.setUp { _, _ in } }

  mutating func begin(node: Int, holdNanoseconds: UInt64) {
    phases[node] = .asks
    holds[node] = holdNanoseconds
  }

  mutating func step(node: Int, _ memory: inout ProbeMemory) -> PassageStep {
    // In the middle of the scan's way.
    let wanted = lock.locks / 2
    switch phases[node] {
    case .asks:
      lock.set(.waiting, lock: wanted, node: node, &memory)
      phases[node] = .polls
      return .waits(0)
    case .polls:
      guard lock.isGranted(lock: wanted, node: node, &memory) else {
        return .waits(lock.pollNanoseconds)
      }
      phases[node] = .holds
      return .granted(holds[node])
    case .holds:
      lock.set(.idle, lock: wanted, node: node, &memory)
      return .released
    }
  }

  mutating func stepManager(_ memory: inout ProbeMemory) -> UInt64 { lock.stepManager(&memory) }
}
