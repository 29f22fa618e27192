// Fluid flows over directed capacities: who moves how fast, and who is done when.

/// A network of resources with capacities in bytes/s that flows share max-min fairly by weight.
///
/// A flow occupies every resource of its path at one rate, bounded by its own cap. Rates change
/// only when a flow starts or ends or a capacity changes, and only in the connected component that this touches.
/// Completion times are rounded up to whole picoseconds. All iteration is in id or start order,
/// so results are reproducible to the bit.
public struct FluidNetwork {
  /// A directed capacity.
  public struct ResourceID: Hashable, Sendable {
    public let index: Int32
    @usableFromInline init(index: Int) { self.index = Int32(index) }
  }

  /// A flow; never reused for another one.
  public struct FlowID: Hashable, Sendable {
    let slot: Int32
    let order: UInt64
  }

  /// A flow that has ended.
  public struct Completion: Hashable, Sendable {
    public var flow: FlowID
    public var tag: UInt64
    public var time: SimTime
  }

  struct Resource {
    var name: String
    /// As added.
    var nominal: Double
    /// Now.
    var capacity: Double
    /// Bytes that could have passed until the capacity changed last, and when that was.
    var offered = 0.0
    var changed = SimTime.zero
    /// Slots of the flows that pass, in no particular order.
    var members: [Int32] = []
    /// Bytes of flows that have ended.
    var settledBytes = 0.0
    /// Sum of the rates of its flows.
    var load = 0.0
    /// Whether its flows wait in one queue, so that a blocked one holds the others up.
    var isEgress = false
    // Scratch of one sharing computation.
    var stamp: UInt64 = 0
    var spare = 0.0
    var openWeight = 0.0
    var openFlows = 0
  }

  struct Flow {
    var path: [ResourceID]
    var bytes: Double
    var weight: Double
    var cap: Double
    var tag: UInt64
    /// Order of start; identifies the flow, 0 when the slot is free.
    var order: UInt64
    var rate = 0.0
    /// Bytes left at `updated`.
    var remaining: Double
    var updated: SimTime
    var finish = SimTime.zero
    /// Counts rate changes, so that stale heap entries are recognised.
    var version: UInt32 = 0
    // Scratch of one sharing computation.
    var stamp: UInt64 = 0
    var isOpen = false
    var share = 0.0
    var fluidShare = 0.0
  }

  struct Due {
    var key: UInt128
    var slot: Int32
    var version: UInt32
  }

  var resources: [Resource] = []
  var flows: [Flow] = []
  private var freeSlots: [Int32] = []
  private var order: UInt64 = 0
  /// Binary heap of completion times, with stale entries.
  private var due: [Due] = []
  /// Resources whose flows have changed since the last sharing computation, and when.
  private var dirty: [Int32] = []
  private var dirtyTime = SimTime.zero
  var stamp: UInt64 = 0
  // Scratch of one sharing computation, kept to avoid allocation.
  var componentResources: [Int32] = []
  var componentFlows: [Int32] = []

  /// How far flows that are blocked hold up others in the same egress, 0…1.
  private(set) var headOfLineCoupling = 0.0

  public private(set) var activeFlows = 0
  /// Flows whose rate has been computed, over all computations; shows what a change touches.
  public internal(set) var recomputedFlows = 0

  public init() {}

  // MARK: Resources

  /// Adds a directed capacity.
  /// - Precondition: `bytesPerSecond` is positive and finite.
  public mutating func addResource(name: String, bytesPerSecond: Double) -> ResourceID {
    precondition(bytesPerSecond > 0 && bytesPerSecond.isFinite)
    resources.append(
      Resource(name: name, nominal: bytesPerSecond, capacity: bytesPerSecond))
    return ResourceID(index: resources.count - 1)
  }

  public var resourceIDs: [ResourceID] { resources.indices.map(ResourceID.init(index:)) }
  public func name(of id: ResourceID) -> String { resources[Int(id.index)].name }
  /// Bytes/s, as added.
  public func capacity(of id: ResourceID) -> Double { resources[Int(id.index)].nominal }

  /// Lets blocked flows hold up others that leave by the same egress.
  ///
  /// Rates are `(1 - coupling) · fluid + coupling · coupled`. `fluid` is max-min fair. `coupled` is
  /// what one first-in-first-out queue at each egress passes: as soon as a flow is limited by a
  /// resource after its egress, no flow of this egress gets more per unit of weight.
  /// - Parameter coupling: 0 (none, the default) to 1.
  /// - Precondition: no flow has started; the coupling lies in 0…1.
  public mutating func coupleHeadOfLine(at egress: [ResourceID], coupling: Double) {
    precondition(order == 0 && (0...1).contains(coupling))
    headOfLineCoupling = coupling
    for id in egress { resources[Int(id.index)].isEgress = true }
  }

  /// Changes a capacity from now on; flows stand still while it is 0.
  public mutating func setCapacity(
    of id: ResourceID, to bytesPerSecond: Double, at now: SimTime
  ) {
    precondition(bytesPerSecond >= 0 && bytesPerSecond.isFinite)
    let index = Int(id.index)
    guard resources[index].capacity != bytesPerSecond else { return }
    touch(at: now)
    resources[index].offered = bytesOffered(by: id, at: now)
    resources[index].changed = now
    resources[index].capacity = bytesPerSecond
    markDirty([id])
  }

  /// Bytes that could have passed a resource by `now`.
  public func bytesOffered(by id: ResourceID, at now: SimTime) -> Double {
    let resource = resources[Int(id.index)]
    return resource.offered + resource.capacity * (now - resource.changed).seconds
  }

  /// Share of a resource's present capacity in use, 0…1; of none, all is in use if anyone waits.
  public mutating func utilisation(of id: ResourceID) -> Double {
    resolve()
    guard resources[Int(id.index)].capacity > 0 else {
      return resources[Int(id.index)].members.isEmpty ? 0 : 1
    }
    return resources[Int(id.index)].load / resources[Int(id.index)].capacity
  }

  /// Bytes that have passed a resource by `now`, flows under way included.
  /// - Complexity: O(flows on the resource).
  public mutating func bytesMoved(over id: ResourceID, at now: SimTime) -> Double {
    resolve()
    let resource = resources[Int(id.index)]
    return resource.members.sorted().reduce(resource.settledBytes) { sum, slot in
      let flow = flows[Int(slot)]
      return sum + flow.bytes - Self.left(of: flow, at: now)
    }
  }

  // MARK: Flows

  /// Starts a flow of `bytes` along `path`.
  /// - Parameters:
  ///   - weight: its share against others on a saturated resource.
  ///   - cap: its own limit, bytes/s.
  ///   - tag: handed back with the completion.
  /// - Precondition: the path names no resource twice; an empty path needs a finite cap.
  public mutating func start(
    bytes: Int, path: [ResourceID], weight: Double = 1, cap: Double = .infinity, tag: UInt64,
    at now: SimTime
  ) -> FlowID {
    precondition(bytes >= 0 && weight > 0 && cap > 0)
    precondition(!path.isEmpty || cap.isFinite, "a flow needs something that limits it")
    touch(at: now)
    order += 1
    let flow = Flow(
      path: path, bytes: Double(bytes), weight: weight, cap: cap, tag: tag, order: order,
      remaining: Double(bytes), updated: now, finish: now)
    let slot: Int32
    if let free = freeSlots.popLast() {
      slot = free
      let version = flows[Int(slot)].version
      flows[Int(slot)] = flow
      flows[Int(slot)].version = version &+ 1
    } else {
      slot = Int32(flows.count)
      flows.append(flow)
    }
    activeFlows += 1
    for resource in path { resources[Int(resource.index)].members.append(slot) }
    if bytes == 0 {
      pushDue(slot)
    } else if path.isEmpty {
      setRate(cap, of: slot, at: now)
    }
    markDirty(path)
    return FlowID(slot: slot, order: order)
  }

  /// Stops a flow; what it has moved stays counted. A flow that has ended is left alone.
  /// - Returns: the bytes it has moved.
  @discardableResult
  public mutating func cancel(_ id: FlowID, at now: SimTime) -> Double {
    guard flows[Int(id.slot)].order == id.order else { return 0 }
    touch(at: now)
    let flow = flows[Int(id.slot)]
    let moved = flow.bytes - Self.left(of: flow, at: now)
    remove(id.slot, moved: moved)
    return moved
  }

  /// Current rate of a flow, bytes/s; 0 once it has ended.
  public mutating func rate(of id: FlowID) -> Double {
    resolve()
    return flows[Int(id.slot)].order == id.order ? flows[Int(id.slot)].rate : 0
  }

  /// When the next flow ends at current rates, or nil.
  public var nextCompletion: SimTime? {
    mutating get {
      resolve()
      dropStale()
      return due.first.map { Self.time(of: $0) }
    }
  }

  /// Ends one flow that is due by `now`, in order of time and then of start; nil if none is.
  public mutating func popCompletion(at now: SimTime) -> Completion? {
    dropStale()
    // A flow due at the very instant of the last change is done whatever the new rates are.
    if !dirty.isEmpty, due.first.map({ Self.time(of: $0) > dirtyTime }) ?? true {
      resolve()
      dropStale()
    }
    guard let next = due.first, Self.time(of: next) <= now else { return nil }
    let time = Self.time(of: next)
    touch(at: max(time, dirty.isEmpty ? time : dirtyTime))
    popDue()
    let flow = flows[Int(next.slot)]
    remove(next.slot, moved: flow.bytes)
    return Completion(
      flow: FlowID(slot: next.slot, order: flow.order), tag: flow.tag, time: time)
  }

  private mutating func remove(_ slot: Int32, moved: Double) {
    let path = flows[Int(slot)].path
    for resource in path {
      let index = Int(resource.index)
      resources[index].settledBytes += moved
      if let position = resources[index].members.firstIndex(of: slot) {
        resources[index].members.swapAt(position, resources[index].members.count - 1)
        resources[index].members.removeLast()
      }
    }
    flows[Int(slot)].order = 0
    flows[Int(slot)].version &+= 1
    freeSlots.append(slot)
    activeFlows -= 1
    markDirty(path)
  }

  // MARK: Laziness

  /// Before a change at `now`: settles earlier changes, so that all pending ones share an instant.
  private mutating func touch(at now: SimTime) {
    if !dirty.isEmpty, dirtyTime < now { resolve() }
    dirtyTime = now
  }

  private mutating func markDirty(_ path: [ResourceID]) {
    for resource in path { dirty.append(resource.index) }
  }

  /// Shares capacity anew in every component that has changed.
  private mutating func resolve() {
    guard !dirty.isEmpty else { return }
    collectComponents(from: dirty)
    dirty.removeAll(keepingCapacity: true)
    share(at: dirtyTime)
  }

  // MARK: Time

  static func left(of flow: Flow, at now: SimTime) -> Double {
    max(0, flow.remaining - flow.rate * (now - flow.updated).seconds)
  }

  mutating func setRate(_ rate: Double, of slot: Int32, at now: SimTime) {
    let index = Int(slot)
    guard rate != flows[index].rate else { return }
    flows[index].remaining = Self.left(of: flows[index], at: now)
    flows[index].updated = now
    flows[index].rate = rate
    guard flows[index].bytes > 0 else { return }
    guard rate > 0 else {
      // It stands still: whatever was due is stale.
      flows[index].version &+= 1
      return
    }
    let picoseconds = (flows[index].remaining * 1e12 / rate).rounded(.up)
    flows[index].finish = now + SimDuration.nearest(picoseconds)
    flows[index].version &+= 1
    pushDue(slot)
  }

  private static func time(of entry: Due) -> SimTime {
    SimTime(picoseconds: Int64(entry.key >> 64))
  }

  private mutating func pushDue(_ slot: Int32) {
    let flow = flows[Int(slot)]
    let key = UInt128(UInt64(flow.finish.picoseconds)) << 64 | UInt128(flow.order)
    var position = due.count
    due.append(Due(key: key, slot: slot, version: flow.version))
    while position > 0, due[position].key < due[(position - 1) / 2].key {
      due.swapAt(position, (position - 1) / 2)
      position = (position - 1) / 2
    }
  }

  private mutating func popDue() {
    let last = due.removeLast()
    guard !due.isEmpty else { return }
    var position = 0
    while true {
      var child = 2 * position + 1
      guard child < due.count else { break }
      if child + 1 < due.count, due[child + 1].key < due[child].key { child += 1 }
      guard due[child].key < last.key else { break }
      due[position] = due[child]
      position = child
    }
    due[position] = last
  }

  private mutating func dropStale() {
    while let first = due.first, flows[Int(first.slot)].version != first.version { popDue() }
  }
}
