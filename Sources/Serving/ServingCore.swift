// The serving system without its connector: requests, engines, links and time.

import EventKernel
import Rack
import TractStore
import Workload

/// State shared by the engines and the connector of one run.
///
/// It has some 4 KB and must never be moved about. It cannot be copied, and as one of its members may
/// be of any type (the observer is no class) it always lies in memory: the compiler would otherwise
/// pass it by value, through a copy, wherever a function only reads it.
struct ServingCore: ~Copyable {
  let workload: Workload
  let system: SystemSpec
  let stream: RequestStream
  let source: RequestSource
  /// Requests taken from the source.
  var supplied = 0
  let fabric: Fabric
  let kvBytesPerToken: Int

  var queue = EventQueue<ServingEvent>()
  var network: FluidNetwork
  var engines: [Engine]
  /// Requests that are under way or come next: what was offered, and what became of it.
  var offered = RequestTable(
    OfferedRequest(arrival: .zero, inputTokens: 0, outputTokens: 0, promptIDs: []))
  var records = RequestTable(
    RequestRecord(id: -1, arrival: .zero, inputTokens: 0, outputTokens: 0))
  /// Two for each request, by `SequenceID`.
  var sequences = RequestTable(Sequence())
  var prefillRouter: Router
  var decodeRouter: Router
  /// Engines to offer a new step once the current event is handled, the one marked last first.
  var dirtyEngines: [Int] = []
  /// What is under way for a request: itself, its transfers and its operations. One with nothing
  /// under way that has ended has its record handed out.
  var work = RequestTable<Int32>(0)
  /// Set when the oldest request may have come to its last.
  var mayHandOut = false
  /// Takes the records, in order of their numbers.
  let taker: (RequestRecord) -> Void
  var totals = RequestTotals()
  var presence = Presence()
  /// Requests that have not reached an end.
  var unfinished: Int
  /// Requests that wait for others' ends, for a user, or for the one before.
  private var offers: OfferOrder
  /// Gaps between tokens, picoseconds.
  var tokenGaps = SampleRuns()
  /// Every step is an event.
  var isExact = false
  /// Events that were ends of steps.
  var stepEvents = 0
  var bytesByKind = [Int](repeating: 0, count: TransferKind.allCases.count)
  var violations: [String] = []
  /// Instant at which a step or a transfer ended last.
  var lastProgress = SimTime.zero
  /// Requests that have arrived and not ended.
  private var present = 0
  /// Set when the run was given up: what is under way stays where it is.
  private(set) var isAbandoned = false
  /// Instant the last request ended.
  var end = SimTime.zero

  /// Each sequence's blocks in their order, on engines with a prefix cache; else they are counted
  /// only, and this is empty.
  var blockTables = RequestTable<[Int32]>([])

  var faults: FaultState

  /// Told of what happens, if somebody wants to know.
  var observer: (any RunObserver)? { didSet { isObserved = observer != nil } }
  /// Asked first where events are many: an observer of any type is copied to be asked.
  private(set) var isObserved = false

  var transfers = Slab<Transfer>()
  /// Counts the changes of flows and capacities that have been settled.
  var networkVersion: UInt32 = 0
  var networkChanged = false

  var now: SimTime { queue.now }
  var requestCount: Int { stream.count }

  init(
    workload: Workload, system: SystemSpec, stream: RequestStream, network: FluidNetwork,
    fabric: Fabric, engines: [Engine], prefillPool: Range<Int>, decodePool: Range<Int>,
    taker: @escaping (RequestRecord) -> Void = { _ in }
  ) {
    self.workload = workload
    self.system = system
    self.stream = stream
    source = stream.source()
    self.taker = taker
    self.network = network
    self.fabric = fabric
    self.engines = engines
    kvBytesPerToken = workload.kvBytesPerToken
    prefillRouter = Router(
      kind: workload.router, spec: workload.kvRouter, pool: prefillPool, seed: workload.seed,
      name: "prefill")
    decodeRouter = Router(
      kind: workload.router, spec: workload.kvRouter, pool: decodePool, seed: workload.seed,
      name: "decode")
    offers = OfferOrder(stream)
    unfinished = stream.count
    faults = FaultState(workload.faults, workers: engines.count)
    guard system.hbmPrefixCache else { return }
    for index in engines.indices {
      self.engines[index].prefixCache = BlockPool(count: engines[index].totalBlocks)
    }
  }

  subscript(id: SequenceID) -> Sequence {
    unsafeAddress { sequences.address(of: Int(id.index)) }
    unsafeMutableAddress { sequences.mutableAddress(of: Int(id.index)) }
  }

  // MARK: Arrivals

  /// Offers the first requests: one of an open loop, or those of a closed one's users.
  mutating func offerFirst() {
    offerNextOfOpenLoop()
    for request in offers.firstOfUsers() { offerAfterPause(Int(request)) }
  }

  /// Offers the next request of an open loop that awaits nothing, as the one before arrives.
  private mutating func offerNextOfOpenLoop() {
    guard let request = offers.nextOfOpenLoop() else { return }
    supply(through: Int(request))
    offer(Int(request), at: offered[Int(request)].arrival)
  }

  /// Adds an event other than a step's end. At one instant step ends come first, in order of engines,
  /// then arrivals, then all else, the nodes' own processes last, in order of nodes.
  mutating func schedule(_ event: ServingEvent, at time: SimTime, node: Int? = nil) {
    if case .arrival = event {
      queue.push(event, at: time, rank: UInt16(engines.count))
    } else {
      queue.push(event, at: time, rank: rank(node))
    }
  }

  private func rank(_ node: Int?) -> UInt16 {
    UInt16(engines.count + 1 + (node.map { $0 + 1 } ?? 0))
  }

  /// Moves time on to `time` if an event scheduled there would come next, and nothing is to be
  /// settled before it: who scheduled it goes on at once, which changes nothing but the work.
  mutating func skip(to time: SimTime, node: Int? = nil) -> Bool {
    guard !isObserved, !networkChanged, dirtyEngines.isEmpty, faults.casualties.isEmpty,
      time <= .horizon
    else { return false }
    return queue.skip(to: time, rank: rank(node))
  }

  /// The request arrives at `time`, and at its engine once the front end has passed it on.
  private mutating func offer(_ request: Int, at time: SimTime) {
    records[request].arrival = time
    presence.arrives(at: time, counts: counts(request))
    began(request)
    schedule(
      .arrival(request: Int32(request)), at: time + .seconds(workload.engine.frontendSeconds))
  }

  private mutating func offerAfterPause(_ request: Int) {
    supply(through: request)
    offer(request, at: now + offered[request].pause)
  }

  /// Routes an arriving request to its first engine, or fails it if no engine could ever hold it.
  mutating func arrive(_ request: Int, aggregated: Bool) {
    let record = records[request]
    // Only prefill can save itself a prefix.
    let hashes = workload.router == .kvAware ? engineBlockHashes(request) : []
    let routed = RoutedRequest(
      session: session(request), tokens: record.inputTokens, blocks: hashes)
    if workload.router == .kvAware { catchUpAll() }
    guard let engine = prefillRouter.choose(among: engines, for: routed, at: now) else {
      failWithoutWorker(request, reason: "no prefill worker is up")
      return
    }
    records[request].prefillWorker = engine
    // The token sampled last needs no KV.
    let tokens = record.inputTokens + record.outputTokens - 1
    let prefillTokens = aggregated ? tokens : record.inputTokens
    guard fits(tokens: prefillTokens, on: engine, request: request) else { return }
    if !aggregated {
      // Pools are uniform, so the first decode engine stands for the one chosen later.
      guard fits(tokens: tokens, on: decodeRouter.pool.lowerBound, request: request) else {
        return
      }
    }
    var sequence = Sequence()
    sequence.tokens = record.inputTokens
    enqueue(sequence, SequenceID(request: request, side: .prefill), on: engine)
  }

  /// The request's conversation, or else the name of its first tokens.
  private func session(_ request: Int) -> UInt64 {
    offered[request].session ?? offered[request].promptIDs[0]
  }

  private mutating func fits(tokens: Int, on engine: Int, request: Int) -> Bool {
    let needed = engines[engine].blocks(forTokens: tokens)
    if needed <= engines[engine].totalBlocks { return true }
    fail(
      request,
      reason: "needs \(needed) KV blocks, worker \(engine) has \(engines[engine].totalBlocks)")
    return false
  }

  private mutating func enqueue(_ sequence: Sequence, _ id: SequenceID, on engine: Int) {
    var sequence = sequence
    sequence.engine = Int32(engine)
    sequence.enqueued = now
    if sequence.status == .idle { sequence.status = .waiting }
    self[id] = sequence
    engines[engine].waiting.append(id)
    engines[engine].outstandingTokens += sequence.tokens
    markDirty(engine)
  }

  mutating func markDirty(_ engine: Int) {
    guard !engines[engine].dirty else { return }
    engines[engine].dirty = true
    dirtyEngines.append(engine)
  }

  // MARK: What connectors answer

  /// The request's cached prefix is known; `cachedTokens` of it will be loaded, not computed.
  mutating func prepared(request: Int, cachedTokens: Int) {
    let id = SequenceID(request: request, side: .prefill)
    precondition(cachedTokens >= 0 && cachedTokens < self[id].tokens)
    self[id].status = .prepared
    self[id].cached = cachedTokens
    self[id].loads = cachedTokens > 0
    records[request].cachedTokens = cachedTokens
    markDirty(Int(self[id].engine))
  }

  /// All KV that the sequence waited for is in its GPU.
  mutating func loaded(_ id: SequenceID) {
    let engine = Int(self[id].engine)
    let span = now - self[id].loadStarted
    if id.side == .prefill {
      records[id.request].prefill.kvRead += span
    } else {
      records[id.request].decode.kvRead += span
    }
    self[id].loads = false
    if self[id].status == .loading {
      // A decode worker computes the last prompt token again: its logits give the first token.
      self[id].computed = id.side == .decode ? self[id].cached - 1 : self[id].cached
      engines[engine].ready.append(id)
      self[id].enqueued = now
    } else {
      engines[engine].pendingLoads -= 1
    }
    markDirty(engine)
  }

  /// Starts the decode side: routes and queues the request there.
  mutating func handOver(_ request: Int) {
    let routed = RoutedRequest(
      session: session(request), tokens: records[request].inputTokens)
    if workload.router == .kvAware { catchUpAll() }
    guard let engine = decodeRouter.choose(among: engines, for: routed, at: now) else {
      lose(request, reason: "no decode worker is up")
      return
    }
    records[request].decodeWorker = engine
    var sequence = Sequence()
    sequence.status = .prepared
    sequence.tokens = records[request].inputTokens
    sequence.cached = sequence.tokens
    sequence.loads = true
    enqueue(sequence, SequenceID(request: request, side: .decode), on: engine)
  }

  /// Frees the prefill GPU's blocks of a request whose KV has left.
  mutating func releasePrefill(_ request: Int) {
    let id = SequenceID(request: request, side: .prefill)
    precondition(self[id].status == .held)
    records[request].prefillReleased = now
    if let done = records[request].prefillDone {
      records[request].prefill.kvWrite = now - done
    }
    retire(id)
  }

  /// Gives back everything the sequence holds on its engine.
  mutating func retire(_ id: SequenceID) {
    let engine = Int(self[id].engine)
    releaseBlocks(id)
    self[id].status = .finished
    engines[engine].outstandingTokens -= records[id.request].inputTokens
    markDirty(engine)
  }

  /// A connector's synchronous save begins or ends: the engine's next step waits for it.
  mutating func holdSteps(of engine: Int) { engines[engine].pendingSaves += 1 }
  mutating func resumeSteps(of engine: Int) {
    engines[engine].pendingSaves -= 1
    markDirty(engine)
  }

  // MARK: Ends

  mutating func complete(_ request: Int) {
    records[request].outcome = .completed
    records[request].finished = now
    if isObserved { observer?.request(records[request]) }
    ended(request)
  }

  mutating func fail(_ request: Int, reason: String) {
    records[request].outcome = .failed(reason: reason)
    records[request].finished = now
    if isObserved { observer?.request(records[request]) }
    ended(request)
  }

  /// Fails every request that has not ended if nothing has progressed for the given span; true if so.
  mutating func abandonIfStalled(_ stall: (span: SimDuration, reason: String)) -> Bool {
    catchUpAll()
    guard now - lastProgress > stall.span else { return false }
    giveUp(reason: stall.reason)
    return true
  }

  /// Ends the run: every request that has not ended fails.
  mutating func giveUp(reason: String) {
    catchUpAll()
    isAbandoned = true
    for request in records.first..<requestCount {
      supply(through: request)
      guard records[request].finished == nil else { continue }
      records[request].outcome = .failed(reason: reason)
      // Those that were still to come never enter.
      let end = max(now, records[request].arrival)
      if work[request] == 0 { records[request].arrival = end }
      records[request].finished = end
      observer?.request(records[request])
    }
    unfinished = 0
    end = now
  }

  mutating func noteProgress() { lastProgress = now }

  /// A request enters; into an empty system, whose rest was no stall.
  mutating func noteArrival(_ request: Int) {
    if offers.isLatestOfOpenLoop(request) { offerNextOfOpenLoop() }
    if present == 0 { noteProgress() }
    present += 1
  }

  private mutating func ended(_ request: Int) {
    unfinished -= 1
    present -= 1
    end = now
    presence.ends(at: now, counts: counts(request))
    finished(request)
    for next in offers.ended(request) { offerAfterPause(Int(next)) }
  }
}
