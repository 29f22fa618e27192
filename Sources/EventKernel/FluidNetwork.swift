// Fluid flows over directed capacities: who moves how fast, and who is done when.

/// A network of resources with capacities in bytes/s that flows share max-min fairly by weight.
///
/// A flow occupies every resource of its path at one rate, bounded by its own cap. Rates change
/// only when a flow starts or ends or a capacity changes, and only where full resources connect flows
/// with this. Flows alike in path, weight and cap have one rate and are one class: a change costs the
/// classes concerned and the logarithm of the flows.
///
/// Completion times are rounded up to whole picoseconds. All iteration is in an order that follows
/// from the calls alone, so results are reproducible to the bit.
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
    // What sharing looks at comes first, side by side.

    var stamp: UInt64 = 0
    var spare = 0.0
    var openWeight = 0.0
    var openClasses = 0
    var leastLimit = 0.0
    /// The classes that pass: first of a list of hops, -1 if there is none.
    var firstHop: Int32 = -1
    /// Whether its flows wait in one queue, so that a blocked one holds the others up.
    var isEgress = false
    /// Whether it is about to be held up; while sharing only.
    var isHeld = false
    /// Whether it is in `dirtyResources`.
    var isDirty = false
    /// Whole bytes/s that it has room for, and that its classes could take at most.
    var room: Int64
    var demand: Int64 = 0
    /// Bytes/s now, and as added.
    var capacity: Double
    let nominal: Double

    /// Bytes that could have passed until the capacity changed last, and when that was.
    var offered = 0.0
    var changed = SimTime.zero
    /// Bytes of flows that have ended.
    var settledBytes = 0.0
    /// Sum of the rates of its flows, as of `loadVersion`.
    var load = 0.0
    var loadVersion: UInt64 = 0

    init(bytesPerSecond: Double, room: Int64) {
      capacity = bytesPerSecond
      nominal = bytesPerSecond
      self.room = room
    }

    /// Whether it may be full.
    var isContended: Bool { demand > room }
  }

  struct Flow {
    var tag: UInt64
    /// Order of start; identifies the flow, 0 when the slot is free.
    var order: UInt64
    var bytes: Double
    /// What its class had served per flow when it started.
    var begin: Double
    var place: Int32
  }

  var resources: [Resource] = []
  private var names: [String] = []
  var flows: [Flow] = []
  private var freeSlots: [Int32] = []
  private var order: UInt64 = 0

  // Classes, each in a place of its own; see FluidNetwork+Classes.
  var classes: [FlowClass] = []
  var ends: [FlowEnds] = []
  var hops: [Hop] = []
  var deadlines = Deadlines()
  var buckets = [Int32](repeating: -1, count: 16)
  /// Empty places by length of path.
  var freePlaces: [[Int32]] = []

  /// What has changed since the last sharing computation, and when.
  var dirtyResources: [Int32] = []
  var dirtyClasses: [Int32] = []
  var dirtyTime = SimTime.zero
  /// Counts sharing computations.
  var version: UInt64 = 0
  /// Marks what the last collection of resources and classes reached, and how many these are. It holds
  /// for the next computation too while classes and contended resources are the same.
  var stamp: UInt64 = 0
  var collected = (resources: 0, classes: 0)
  var hasOldStructure = false
  /// Scratch of one sharing computation: room for all resources, then all classes, then all hops.
  var component: [Int32] = []
  /// And for the levels of the resources.
  var levels: [UInt128] = []

  /// How far flows that are blocked hold up others in the same egress, 0…1.
  private(set) var headOfLineCoupling = 0.0

  public private(set) var activeFlows = 0
  /// Classes whose rate has been computed, over all computations; shows what a change touches.
  public internal(set) var recomputedClasses = 0

  public init() { addStandingClass() }

  // MARK: Resources

  /// Adds a directed capacity.
  /// - Precondition: `bytesPerSecond` is positive and finite.
  public mutating func addResource(name: String, bytesPerSecond: Double) -> ResourceID {
    precondition(bytesPerSecond > 0 && bytesPerSecond.isFinite)
    names.append(name)
    hasOldStructure = false
    component.append(0)
    levels.append(0)
    resources.append(Resource(bytesPerSecond: bytesPerSecond, room: room(bytesPerSecond)))
    return ResourceID(index: resources.count - 1)
  }

  public var resourceIDs: [ResourceID] { resources.indices.map(ResourceID.init(index:)) }
  public func name(of id: ResourceID) -> String { names[Int(id.index)] }
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
    for index in resources.indices { resources[index].room = room(resources[index].capacity) }
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
    resources[index].room = room(bytesPerSecond)
    hasOldStructure = false
    markDirty(resource: index)
    var hop = resources[index].firstHop
    while hop >= 0 {
      let place = Int(hops[Int(hop)].place)
      narrow(place)
      noteDemand(of: place)
      hop = hops[Int(hop)].next
    }
  }

  /// Bytes that could have passed a resource by `now`.
  public func bytesOffered(by id: ResourceID, at now: SimTime) -> Double {
    let resource = resources[Int(id.index)]
    return resource.offered + resource.capacity * (now - resource.changed).seconds
  }

  /// Share of a resource's present capacity in use, 0…1; of none, all is in use if anyone waits.
  /// - Complexity: O(classes on the resource) after a change, O(1) otherwise.
  public mutating func utilisation(of id: ResourceID) -> Double {
    resolve()
    let index = Int(id.index)
    guard resources[index].capacity > 0 else { return resources[index].firstHop < 0 ? 0 : 1 }
    if resources[index].loadVersion != version {
      resources[index].loadVersion = version
      resources[index].load = sum(over: index) { Double($0.flowCount) * $0.rate }
    }
    return resources[index].load / resources[index].capacity
  }

  /// Bytes that have passed a resource by `now`, flows under way included.
  /// - Precondition: no flow ends before `now`.
  /// - Complexity: O(classes on the resource).
  public mutating func bytesMoved(over id: ResourceID, at now: SimTime) -> Double {
    resolve()
    let index = Int(id.index)
    return resources[index].settledBytes + sum(over: index) { $0.moved(at: now) }
  }

  private func sum(over resource: Int, _ value: (FlowClass) -> Double) -> Double {
    var sum = 0.0
    var hop = resources[resource].firstHop
    while hop >= 0 {
      sum += value(classes[Int(hops[Int(hop)].place)])
      hop = hops[Int(hop)].next
    }
    return sum
  }

  // MARK: Flows

  /// Starts a flow of `bytes` along `path`.
  /// - Parameters:
  ///   - weight: its share against others on a saturated resource.
  ///   - cap: its own limit, bytes/s.
  ///   - tag: handed back with the completion.
  /// - Precondition: the path names no resource twice; an empty path needs a finite cap.
  /// - Complexity: O(length of the path + log flows of its class), the sharing apart.
  public mutating func start(
    bytes: Int, path: [ResourceID], weight: Double = 1, cap: Double = .infinity, tag: UInt64,
    at now: SimTime
  ) -> FlowID {
    precondition(bytes >= 0 && weight > 0 && cap > 0)
    precondition(!path.isEmpty || cap.isFinite, "a flow needs something that limits it")
    touch(at: now)
    order += 1
    let place =
      bytes == 0 ? standingPlace(at: now) : place(path: path, weight: weight, cap: cap)
    let begin = join(place, at: now)
    let flow = Flow(
      tag: tag, order: order, bytes: Double(bytes), begin: begin, place: Int32(place))
    let slot: Int32
    if let free = freeSlots.popLast() {
      slot = free
      flows[Int(slot)] = flow
    } else {
      slot = Int32(flows.count)
      flows.append(flow)
    }
    activeFlows += 1
    ends[place].push(.init(amount: begin + flow.bytes, order: order, slot: slot))
    if ends[place].first?.slot == slot { noteFirst(of: place) }
    return FlowID(slot: slot, order: order)
  }

  /// Stops a flow; what it has moved stays counted. A flow that has ended is left alone.
  /// - Returns: the bytes it has moved.
  @discardableResult
  public mutating func cancel(_ id: FlowID, at now: SimTime) -> Double {
    let flow = flows[Int(id.slot)]
    guard flow.order == id.order else { return 0 }
    touch(at: now)
    let place = Int(flow.place)
    let moved = min(flow.bytes, max(0, classes[place].served(at: now) - flow.begin))
    remove(id.slot, moved: moved)
    return moved
  }

  /// Current rate of a flow, bytes/s; 0 once it has ended.
  public mutating func rate(of id: FlowID) -> Double {
    resolve()
    let flow = flows[Int(id.slot)]
    return flow.order == id.order ? classes[Int(flow.place)].rate : 0
  }

  /// When the next flow ends at current rates, or nil.
  public var nextCompletion: SimTime? {
    mutating get {
      resolve()
      return deadlines.earliest().map { SimTime(picoseconds: $0.time) }
    }
  }

  /// Ends one flow that is due by `now`; nil if none is.
  ///
  /// They come in order of time and then of start; flows of one class that end within one picosecond
  /// come as they end, and only those that end at the very same moment in order of start.
  public mutating func popCompletion(at now: SimTime) -> Completion? {
    // A flow due at the very instant of the last change is done whatever the new rates are.
    if isDirty, deadlines.earliest().map({ $0.time > dirtyTime.picoseconds }) ?? true { resolve() }
    guard let next = deadlines.earliest(), next.time <= now.picoseconds,
      let end = ends[next.place].first
    else { return nil }
    let time = SimTime(picoseconds: next.time)
    touch(at: isDirty ? max(time, dirtyTime) : time)
    let flow = flows[Int(end.slot)]
    remove(end.slot, moved: flow.bytes)
    return Completion(
      flow: FlowID(slot: end.slot, order: flow.order), tag: flow.tag, time: time)
  }

  private mutating func remove(_ slot: Int32, moved: Double) {
    let flow = flows[Int(slot)]
    flows[Int(slot)].order = 0
    freeSlots.append(slot)
    activeFlows -= 1
    leave(Int(flow.place), begin: flow.begin, moved: moved)
  }

  // MARK: Laziness

  private var isDirty: Bool { !dirtyClasses.isEmpty || !dirtyResources.isEmpty }

  /// Before a change at `now`: settles earlier changes, so that all pending ones share an instant.
  private mutating func touch(at now: SimTime) {
    if isDirty, dirtyTime < now { resolve() }
    dirtyTime = now
  }

  /// Shares capacity anew wherever something has changed.
  private mutating func resolve() {
    guard isDirty else { return }
    version += 1
    share()
    for index in dirtyResources { resources[Int(index)].isDirty = false }
    for place in dirtyClasses { classes[Int(place)].isDirty = false }
    dirtyResources.removeAll(keepingCapacity: true)
    dirtyClasses.removeAll(keepingCapacity: true)
  }
}
