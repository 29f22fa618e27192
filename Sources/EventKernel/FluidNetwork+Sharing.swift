// Weighted max-min fair sharing by progressive filling, only of what full resources connect.
//
// Bertsekas and Gallager, Data Networks, section 6.5.2: raise all rates together, in proportion to
// weight; whenever a resource is full or a flow at its cap, freeze the flows concerned.
//
// A resource whose classes could together take no more than its capacity neither connects nor limits
// them, except that the narrowest of a path is a limit of the flows of the class.

extension FluidNetwork {
  /// Gives all classes that the pending changes concern their rates from `dirtyTime` on.
  mutating func share() {
    let isCollected =
      hasOldStructure && dirtyResources.allSatisfy { resources[Int($0)].stamp == stamp }
      && dirtyClasses.allSatisfy { classes[Int($0)].stamp == stamp }
    if !isCollected {
      stamp += 1
      collected = (0, 0)
      hasOldStructure = true
    }
    resources.withUnsafeMutableBufferPointer { resources in
      classes.withUnsafeMutableBufferPointer { classes in
        component.withUnsafeMutableBufferPointer { component in
          levels.withUnsafeMutableBufferPointer { levels in
            hops.withUnsafeBufferPointer { hops in
              let (first, second) = (resources.count, resources.count + classes.count)
              var sharing = Sharing(
                resources: resources, classes: classes, hops: hops,
                reached: .init(rebasing: component[..<first]),
                members: .init(rebasing: component[first..<second]),
                bounds: .init(rebasing: component[second...]), levels: levels, stamp: stamp,
                reachedCount: collected.resources, memberCount: collected.classes)
              if !isCollected {
                sharing.collect(resources: dirtyResources, classes: dirtyClasses)
                collected = (sharing.reachedCount, sharing.memberCount)
              }
              sharing.share(coupling: headOfLineCoupling)
              for place in sharing.members[..<sharing.memberCount] {
                let place = Int(place)
                guard classes[place].setRate(at: dirtyTime) else { continue }
                deadlines.set(
                  place, to: classes[place].deadline, order: classes[place].firstOrder)
              }
            }
          }
        }
      }
    }
    recomputedClasses += collected.classes
  }
}

/// One sharing computation.
private struct Sharing {
  let resources: UnsafeMutableBufferPointer<FluidNetwork.Resource>
  let classes: UnsafeMutableBufferPointer<FluidNetwork.FlowClass>
  let hops: UnsafeBufferPointer<FluidNetwork.Hop>
  /// The resources reached.
  let reached: UnsafeMutableBufferPointer<Int32>
  /// The classes reached.
  let members: UnsafeMutableBufferPointer<Int32>
  /// The contended resources of the path of each of them, one after the other.
  let bounds: UnsafeMutableBufferPointer<Int32>
  /// A heap of the open ones by level.
  let levels: UnsafeMutableBufferPointer<UInt128>
  /// Marks what has been reached.
  let stamp: UInt64
  var reachedCount: Int
  var memberCount: Int
  var boundCount: Int32 = 0

  // MARK: Who is concerned

  /// Collects what contended resources connect with the seeds.
  mutating func collect(resources seeds: [Int32], classes seedClasses: [Int32]) {
    for index in seeds { reach(Int(index)) }
    for place in seedClasses { enlist(Int(place)) }
    var next = 0
    while next < reachedCount {
      var hop = Int(resources[Int(reached[next])].firstHop)
      while hop >= 0 {
        enlist(Int(hops[hop].place))
        hop = Int(hops[hop].next)
      }
      next += 1
    }
  }

  private mutating func reach(_ index: Int) {
    guard resources[index].stamp != stamp else { return }
    resources[index].stamp = stamp
    reached[reachedCount] = Int32(index)
    reachedCount += 1
  }

  private mutating func enlist(_ place: Int) {
    guard classes[place].stamp != stamp, classes[place].flowCount > 0 else { return }
    classes[place].stamp = stamp
    members[memberCount] = Int32(place)
    memberCount += 1
    classes[place].firstBound = boundCount
    for hop in classes[place].hops {
      let index = Int(hops[hop].resource)
      guard resources[index].isContended else { continue }
      reach(index)
      bounds[Int(boundCount)] = Int32(index)
      boundCount += 1
    }
    classes[place].lastBound = boundCount
  }

  // MARK: Filling

  mutating func share(coupling: Double) {
    fill(coupled: false)
    guard coupling > 0 else { return }
    // From max-min fair shares to those with blocked egresses, as far as they are coupled.
    for place in members[..<memberCount] {
      classes[Int(place)].fluidShare = classes[Int(place)].share
    }
    fill(coupled: true)
    for place in members[..<memberCount] {
      let (fluid, coupled) = (classes[Int(place)].fluidShare, classes[Int(place)].share)
      classes[Int(place)].share = (1 - coupling) * fluid + coupling * coupled
    }
  }

  /// Progressive filling; sets shares.
  ///
  /// The level of a resource is the rate per unit of weight at which it would be full if all that are
  /// open on it rose to there. It only rises as others freeze, so the resource with the least is the
  /// next to be full, once flows that come to their caps before are frozen.
  /// - Parameter coupled: whether a flow that is blocked after its egress stops all of this egress.
  private mutating func fill(coupled: Bool) {
    var open = open()
    for position in (0..<open / 2).reversed() { sink(position, of: open) }
    while open > 0 {
      let index = Int(UInt32(truncatingIfNeeded: levels[0]))
      if resources[index].openClasses > 0 {
        let level = resources[index].spare / resources[index].openWeight
        let key = Self.key(level, index)
        if key > levels[0] {
          levels[0] = key
          sink(0, of: open)
          continue
        }
        if resources[index].leastLimit <= level, freezeLimited(on: index, level: level) { continue }
        freezeMembers(of: index, level: level, coupled: coupled)
      }
      open -= 1
      levels[0] = levels[open]
      sink(0, of: open)
    }
  }

  /// By level; ties by number, since where egresses are coupled it matters who is full first.
  private static func key(_ level: Double, _ index: Int) -> UInt128 {
    UInt128(level.bitPattern) << 64 | UInt128(UInt32(index))
  }

  /// Opens all that has been reached.
  /// - Returns: how many resources there are; their levels are not yet in order.
  private func open() -> Int {
    for index in reached[..<reachedCount] {
      let index = Int(index)
      resources[index].spare = resources[index].capacity
      resources[index].openWeight = 0
      resources[index].openClasses = 0
      resources[index].leastLimit = .infinity
    }
    for place in members[..<memberCount] {
      let place = Int(place)
      classes[place].isOpen = true
      classes[place].share = classes[place].limit
      let (weight, limit) = (classes[place].totalWeight, classes[place].limitLevel)
      for bound in classes[place].bounds {
        let index = Int(bounds[bound])
        resources[index].openWeight += weight
        resources[index].openClasses += 1
        resources[index].leastLimit = min(resources[index].leastLimit, limit)
      }
    }
    var count = 0
    for index in reached[..<reachedCount] where resources[Int(index)].openClasses > 0 {
      let index = Int(index)
      levels[count] = Self.key(resources[index].capacity / resources[index].openWeight, index)
      count += 1
    }
    return count
  }

  /// Restores the heap of the first `count` below a position whose level has risen.
  private func sink(_ start: Int, of count: Int) {
    guard start < count else { return }
    let moving = levels[start]
    var position = start
    while true {
      var child = 2 * position + 1
      guard child < count else { break }
      if child + 1 < count { child += levels[child + 1] < levels[child] ? 1 : 0 }
      guard levels[child] < moving else { break }
      levels[position] = levels[child]
      position = child
    }
    levels[position] = moving
  }

  /// Freezes the classes of a resource that are at their caps by the time it would be full.
  /// - Returns: whether there was one.
  private func freezeLimited(on index: Int, level: Double) -> Bool {
    var (found, least) = (false, Double.infinity)
    var hop = Int(resources[index].firstHop)
    while hop >= 0 {
      let place = Int(hops[hop].place)
      hop = Int(hops[hop].next)
      guard classes[place].isOpen else { continue }
      if classes[place].limitLevel <= level {
        freeze(place, share: classes[place].limit)
        found = true
      } else {
        least = min(least, classes[place].limitLevel)
      }
    }
    resources[index].leastLimit = least
    return found
  }

  private func freezeMembers(of bottleneck: Int, level: Double, coupled: Bool) {
    if coupled { hold(behind: bottleneck) }
    var hop = Int(resources[bottleneck].firstHop)
    while hop >= 0 {
      let place = Int(hops[hop].place)
      hop = Int(hops[hop].next)
      guard classes[place].isOpen else { continue }
      freeze(place, share: min(classes[place].limit, level * classes[place].weight))
    }
    if coupled { freezeHeld(behind: bottleneck, level: level) }
  }

  /// Marks the egresses of the classes that `bottleneck` is about to block.
  private func hold(behind bottleneck: Int) {
    var hop = Int(resources[bottleneck].firstHop)
    while hop >= 0 {
      let place = Int(hops[hop].place)
      hop = Int(hops[hop].next)
      guard classes[place].isOpen else { continue }
      if let egress = egress(of: place, before: bottleneck) { resources[egress].isHeld = true }
    }
  }

  /// Freezes what leaves by these egresses.
  private func freezeHeld(behind bottleneck: Int, level: Double) {
    var hop = Int(resources[bottleneck].firstHop)
    while hop >= 0 {
      let place = Int(hops[hop].place)
      hop = Int(hops[hop].next)
      guard let egress = egress(of: place, before: bottleneck), resources[egress].isHeld else {
        continue
      }
      resources[egress].isHeld = false
      freezeMembers(of: egress, level: level, coupled: false)
    }
  }

  /// The egress that a class passes before it comes to `bottleneck`; nil if there is none.
  private func egress(of place: Int, before bottleneck: Int) -> Int? {
    for hop in classes[place].hops {
      let index = Int(hops[hop].resource)
      if index == bottleneck { return nil }
      if resources[index].isEgress { return index }
    }
    return nil
  }

  private func freeze(_ place: Int, share: Double) {
    classes[place].isOpen = false
    classes[place].share = share
    let total = Double(classes[place].flowCount) * share
    let weight = classes[place].totalWeight
    for bound in classes[place].bounds {
      let index = Int(bounds[bound])
      resources[index].spare = max(0, resources[index].spare - total)
      resources[index].openWeight -= weight
      resources[index].openClasses -= 1
    }
  }
}
