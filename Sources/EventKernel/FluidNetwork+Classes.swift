// Classes of flows: alike in path, weight and cap, they have one rate and one account of service.

extension FluidNetwork {
  /// Flows alike in path, weight and cap.
  ///
  /// `served` is what each has been served since the class began; a flow that starts at v and has b
  /// bytes ends when it is v + b. So a change of rate touches the class and none of its flows.
  struct FlowClass {
    // What sharing looks at comes first, side by side.

    /// Its hops lie side by side and stay with the place.
    let firstHop: Int32
    let hopCount: Int32
    var flowCount: Int32 = 0
    // Scratch of one sharing computation: where its contended resources are, and what it gets.
    var firstBound: Int32 = 0
    var lastBound: Int32 = 0
    var isOpen = false
    /// Whether it is in `dirtyClasses`.
    var isDirty = false
    var stamp: UInt64 = 0
    /// Fixed while it has flows.
    var weight = 1.0
    /// What a flow gets at most, by its cap and the narrowest capacity, and this per unit of weight.
    var limit = 0.0
    var limitLevel = 0.0
    var share = 0.0
    /// Bytes/s of each flow.
    var rate = 0.0

    /// Bytes served per flow until `updated`.
    var served = 0.0
    var updated = SimTime.zero
    /// Sum of what had been served when its flows started.
    var begins = 0.0
    /// When the first of its flows ends, in what is served, and the order of its start.
    var firstEnd = 0.0
    var firstOrder: UInt64 = 0

    /// Fixed while it has flows.
    var cap = 0.0
    var key: UInt64 = 0
    var nextInBucket: Int32 = -1
    /// The least capacity of its path, bytes/s; infinite where egresses are coupled.
    var narrowest = Double.infinity
    /// What all can take, whole bytes/s.
    var demand: Int64 = 0
    var fluidShare = 0.0

    init(firstHop: Int, hopCount: Int) {
      self.firstHop = Int32(firstHop)
      self.hopCount = Int32(hopCount)
    }

    var bounds: Range<Int> { Int(firstBound)..<Int(lastBound) }
    var hops: Range<Int> { Int(firstHop)..<Int(firstHop + hopCount) }
    var totalWeight: Double { Double(flowCount) * weight }

    func served(at now: SimTime) -> Double { served + rate * (now - updated).seconds }

    /// Bytes that the flows under way have moved.
    func moved(at now: SimTime) -> Double {
      max(0, Double(flowCount) * served(at: now) - begins)
    }

    /// Takes the share as the rate from `now` on.
    /// - Returns: whether it is another one.
    mutating func setRate(at now: SimTime) -> Bool {
      guard share != rate else { return false }
      served = served(at: now)
      updated = now
      rate = share
      return true
    }

    /// When the first of its flows ends at its rate, picoseconds, rounded up.
    var deadline: Int64 {
      guard firstEnd > served else { return updated.picoseconds }
      guard rate > 0 else { return Deadlines.never }
      let exact = (firstEnd - served) * 1e12 / rate
      guard exact < 9.2e18 else { return Deadlines.never - 1 }
      var span = Int64(exact)
      if Double(span) < exact { span += 1 }
      let (time, overflows) = updated.picoseconds.addingReportingOverflow(span)
      return overflows ? Deadlines.never - 1 : time
    }
  }

  /// One resource of a class's path, in the list of those of the same resource.
  struct Hop {
    var resource: Int32 = -1
    let place: Int32
    var next: Int32 = -1
    var previous: Int32 = -1
  }

  /// Where amounts served are counted anew, so that they keep their precision: 1 TiB.
  private static var longService: Double { 0x1p40 }

  // MARK: Places

  /// Flows without bytes stand in the class of place 0, which needs no path, and end as they start.
  mutating func addStandingClass() { _ = addPlace(hopCount: 0) }

  mutating func standingPlace(at now: SimTime) -> Int {
    classes[0].updated = now
    return 0
  }

  /// The class of flows alike, a new one if there is none.
  mutating func place(path: [ResourceID], weight: Double, cap: Double) -> Int {
    var key = weight.bitPattern &* 0x9E37_79B9_7F4A_7C15 ^ cap.bitPattern
    for id in path { key = (key ^ UInt64(id.index)) &* 0x9E37_79B9_7F4A_7C15 }
    key = StableHash.spread(key)
    var candidate = Int(buckets[bucket(of: key)])
    while candidate >= 0 {
      if classes[candidate].key == key, matches(candidate, path, weight, cap) { return candidate }
      candidate = Int(classes[candidate].nextInBucket)
    }
    return open(path: path, weight: weight, cap: cap, key: key)
  }

  private func bucket(of key: UInt64) -> Int { Int(truncatingIfNeeded: key) & (buckets.count - 1) }

  private func matches(_ place: Int, _ path: [ResourceID], _ weight: Double, _ cap: Double) -> Bool
  {
    guard classes[place].weight == weight, classes[place].cap == cap,
      classes[place].hopCount == path.count
    else { return false }
    let first = Int(classes[place].firstHop)
    return path.indices.allSatisfy { hops[first + $0].resource == path[$0].index }
  }

  private mutating func addPlace(hopCount: Int) -> Int {
    hasOldStructure = false
    let place = classes.count
    classes.append(FlowClass(firstHop: hops.count, hopCount: hopCount))
    for _ in 0..<hopCount { hops.append(Hop(place: Int32(place))) }
    ends.append(FlowEnds())
    deadlines.addPlace()
    component.append(contentsOf: repeatElement(0, count: 1 + hopCount))
    while freePlaces.count <= hopCount { freePlaces.append([]) }
    return place
  }

  private mutating func open(path: [ResourceID], weight: Double, cap: Double, key: UInt64) -> Int {
    if classes.count > buckets.count { growBuckets() }
    let place =
      path.count < freePlaces.count
      ? freePlaces[path.count].popLast().map { Int($0) } ?? addPlace(hopCount: path.count)
      : addPlace(hopCount: path.count)
    hasOldStructure = false
    classes[place].weight = weight
    classes[place].cap = cap
    classes[place].key = key
    classes[place].nextInBucket = buckets[bucket(of: key)]
    buckets[bucket(of: key)] = Int32(place)
    for (hop, id) in zip(classes[place].hops, path) {
      let next = resources[Int(id.index)].firstHop
      hops[hop].resource = id.index
      hops[hop].previous = -1
      hops[hop].next = next
      if next >= 0 { hops[Int(next)].previous = Int32(hop) }
      resources[Int(id.index)].firstHop = Int32(hop)
    }
    narrow(place)
    // Without a path nothing shares it.
    classes[place].rate = path.isEmpty ? cap : 0
    return place
  }

  private mutating func close(_ place: Int) {
    hasOldStructure = false
    for hop in classes[place].hops {
      let (previous, next) = (hops[hop].previous, hops[hop].next)
      if next >= 0 { hops[Int(next)].previous = previous }
      if previous >= 0 {
        hops[Int(previous)].next = next
      } else {
        resources[Int(hops[hop].resource)].firstHop = next
      }
    }
    let bucket = bucket(of: classes[place].key)
    if buckets[bucket] == Int32(place) {
      buckets[bucket] = classes[place].nextInBucket
    } else {
      var before = Int(buckets[bucket])
      while classes[before].nextInBucket != Int32(place) {
        before = Int(classes[before].nextInBucket)
      }
      classes[before].nextInBucket = classes[place].nextInBucket
    }
    freePlaces[Int(classes[place].hopCount)].append(Int32(place))
  }

  private mutating func growBuckets() {
    buckets = Array(repeating: -1, count: 4 * buckets.count)
    for place in classes.indices.dropFirst() where classes[place].flowCount > 0 {
      let bucket = bucket(of: classes[place].key)
      classes[place].nextInBucket = buckets[bucket]
      buckets[bucket] = Int32(place)
    }
  }

  // MARK: Flows of a class

  /// Takes a flow in.
  /// - Returns: what has been served per flow.
  mutating func join(_ place: Int, at now: SimTime) -> Double {
    if classes[place].flowCount == 0 {
      classes[place].served = 0
      classes[place].begins = 0
      classes[place].updated = now
    }
    var served = classes[place].served(at: now)
    if served > Self.longService {
      rebase(place, by: served, at: now)
      served = 0
    }
    classes[place].begins += served
    classes[place].flowCount += 1
    noteDemand(of: place)
    return served
  }

  /// Lets a flow go that has moved some bytes.
  mutating func leave(_ place: Int, begin: Double, moved: Double) {
    classes[place].begins -= begin
    classes[place].flowCount -= 1
    for hop in classes[place].hops {
      resources[Int(hops[hop].resource)].settledBytes += moved
    }
    noteDemand(of: place)
    if classes[place].flowCount == 0 {
      ends[place].removeAll()
      deadlines.set(place, to: Deadlines.never, order: 0)
      if place != 0 { close(place) }
      return
    }
    // Those that have been called off stay until they are first, or too many.
    if ends[place].count > 2 * Int(classes[place].flowCount) + 32 {
      let flows = flows
      ends[place].keep { flows[Int($0.slot)].order == $0.order }
    }
    noteFirst(of: place)
  }

  /// Looks who ends first.
  mutating func noteFirst(of place: Int) {
    while let first = ends[place].first {
      guard flows[Int(first.slot)].order == first.order else {
        ends[place].removeFirst()
        continue
      }
      guard first.order != classes[place].firstOrder else { return }
      classes[place].firstEnd = first.amount
      classes[place].firstOrder = first.order
      setDeadline(of: place)
      return
    }
  }

  mutating func setDeadline(of place: Int) {
    deadlines.set(place, to: classes[place].deadline, order: classes[place].firstOrder)
  }

  private mutating func rebase(_ place: Int, by served: Double, at now: SimTime) {
    classes[place].begins -= Double(classes[place].flowCount) * served
    classes[place].served = 0
    classes[place].updated = now
    ends[place].rebase(by: served)
    for slot in flows.indices where flows[slot].order > 0 && flows[slot].place == Int32(place) {
      flows[slot].begin -= served
    }
    classes[place].firstEnd = ends[place].first?.amount ?? 0
  }

  // MARK: Demand

  /// Whole bytes/s that a capacity has room for. Where egresses are coupled flows hold each other up
  /// even where there is room, so that it counts as none.
  func room(_ bytesPerSecond: Double) -> Int64 {
    headOfLineCoupling > 0 ? -1 : Int64(min(bytesPerSecond, Self.mostDemand))
  }

  /// Whole numbers have exact sums; beyond 16 TB/s they are taken for more than there is room for.
  private static var mostDemand: Double { 0x1p44 }

  mutating func narrow(_ place: Int) {
    guard headOfLineCoupling == 0 else { return }
    var narrowest = Double.infinity
    for hop in classes[place].hops {
      narrowest = min(narrowest, resources[Int(hops[hop].resource)].capacity)
    }
    classes[place].narrowest = narrowest
  }

  /// After a change of a class's flows or capacities: what it could take now, and who is concerned.
  mutating func noteDemand(of place: Int) {
    guard classes[place].hopCount > 0 else { return }
    let count = Double(classes[place].flowCount)
    let (cap, narrowest) = (classes[place].cap, classes[place].narrowest)
    var demand: Int64 = 0
    if count > 0 {
      classes[place].limit = min(cap, narrowest / count)
      classes[place].limitLevel = classes[place].limit / classes[place].weight
      let most = min(count * cap, narrowest, Self.mostDemand)
      demand = Int64(most)
      if Double(demand) < most { demand += 1 }
    }
    let change = demand - classes[place].demand
    classes[place].demand = demand
    for hop in classes[place].hops {
      let resource = Int(hops[hop].resource)
      let wasContended = resources[resource].isContended
      resources[resource].demand += change
      let isContended = resources[resource].isContended
      if wasContended != isContended { hasOldStructure = false }
      if wasContended || isContended { markDirty(resource: resource) }
    }
    guard !classes[place].isDirty else { return }
    classes[place].isDirty = true
    dirtyClasses.append(Int32(place))
  }

  mutating func markDirty(resource index: Int) {
    guard !resources[index].isDirty else { return }
    resources[index].isDirty = true
    dirtyResources.append(Int32(index))
  }
}
