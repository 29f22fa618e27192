// Weighted max-min fair sharing by progressive filling, one component at a time.
//
// Bertsekas and Gallager, Data Networks, section 6.5.2: raise all rates together, in proportion to
// weight; whenever a resource is full or a flow at its cap, freeze the flows concerned.

extension FluidNetwork {
  /// Collects the resources and flows connected with `seeds`, ascending by id and start.
  mutating func collectComponents(from seeds: [Int32]) {
    stamp += 1
    componentResources.removeAll(keepingCapacity: true)
    componentFlows.removeAll(keepingCapacity: true)
    for seed in seeds where resources[Int(seed)].stamp != stamp {
      resources[Int(seed)].stamp = stamp
      componentResources.append(seed)
    }
    var next = 0
    while next < componentResources.count {
      let resource = Int(componentResources[next])
      next += 1
      for position in resources[resource].members.indices {
        let slot = resources[resource].members[position]
        guard flows[Int(slot)].stamp != stamp else { continue }
        flows[Int(slot)].stamp = stamp
        componentFlows.append(slot)
        for neighbour in flows[Int(slot)].path
        where resources[Int(neighbour.index)].stamp != stamp {
          resources[Int(neighbour.index)].stamp = stamp
          componentResources.append(neighbour.index)
        }
      }
    }
    componentResources.sort()
    // By cap per unit of weight, the order in which caps bind; ties by order of start.
    componentFlows.sort { a, b in
      let (first, second) = (flows[Int(a)], flows[Int(b)])
      return (first.cap / first.weight, first.order) < (second.cap / second.weight, second.order)
    }
  }

  /// Gives every flow of the collected components its rate from `now` on.
  mutating func share(at now: SimTime) {
    recomputedFlows += componentFlows.count
    fill(coupled: false)
    if headOfLineCoupling > 0 { mixWithCoupled() }
    for slot in componentFlows { setRate(flows[Int(slot)].share, of: slot, at: now) }
  }

  /// From max-min fair shares to those with blocked egresses, as far as they are coupled.
  private mutating func mixWithCoupled() {
    for slot in componentFlows { flows[Int(slot)].fluidShare = flows[Int(slot)].share }
    fill(coupled: true)
    for index in componentResources { resources[Int(index)].load = 0 }
    for slot in componentFlows {
      let flow = flows[Int(slot)]
      let share =
        (1 - headOfLineCoupling) * flow.fluidShare + headOfLineCoupling * flow.share
      flows[Int(slot)].share = share
      for resource in flow.path { resources[Int(resource.index)].load += share }
    }
  }

  /// Progressive filling; sets shares and loads.
  /// - Parameter coupled: whether a flow that is blocked after its egress stops all of this egress.
  private mutating func fill(coupled: Bool) {
    for index in componentResources {
      let resource = Int(index)
      resources[resource].spare = resources[resource].capacity
      resources[resource].load = 0
      resources[resource].openFlows = resources[resource].members.count
      resources[resource].openWeight = 0
    }
    for slot in componentFlows {
      flows[Int(slot)].isOpen = true
      for resource in flows[Int(slot)].path {
        resources[Int(resource.index)].openWeight += flows[Int(slot)].weight
      }
    }
    var nextByCap = 0
    var open = componentFlows.count
    while open > 0 {
      while !flows[Int(componentFlows[nextByCap])].isOpen { nextByCap += 1 }
      let (bottleneck, level) = tightestResource()
      let candidate = componentFlows[nextByCap]
      let flow = flows[Int(candidate)]
      if flow.cap / flow.weight <= level {
        freeze(candidate, share: flow.cap)
        open -= 1
      } else {
        open -= freezeMembers(of: bottleneck, level: level, coupled: coupled)
      }
    }
  }

  /// The resource that fills first as rates rise, and the rate per unit of weight at which it does.
  private func tightestResource() -> (resource: Int, level: Double) {
    var best = (resource: -1, level: Double.infinity)
    for index in componentResources {
      let resource = resources[Int(index)]
      guard resource.openFlows > 0 else { continue }
      let level = resource.spare / resource.openWeight
      if level < best.level { best = (Int(index), level) }
    }
    return best
  }

  private mutating func freezeMembers(of bottleneck: Int, level: Double, coupled: Bool) -> Int {
    var frozen = 0
    for slot in resources[bottleneck].members.sorted() where flows[Int(slot)].isOpen {
      freeze(slot, share: level * flows[Int(slot)].weight)
      frozen += 1
      guard coupled, let egress = egress(of: slot, before: bottleneck) else { continue }
      frozen += freezeMembers(of: egress, level: level, coupled: false)
    }
    return frozen
  }

  /// The egress that a flow passes before it comes to `bottleneck`; nil if there is none.
  private func egress(of slot: Int32, before bottleneck: Int) -> Int? {
    for resource in flows[Int(slot)].path {
      if Int(resource.index) == bottleneck { return nil }
      if resources[Int(resource.index)].isEgress { return Int(resource.index) }
    }
    return nil
  }

  private mutating func freeze(_ slot: Int32, share: Double) {
    flows[Int(slot)].isOpen = false
    flows[Int(slot)].share = share
    let weight = flows[Int(slot)].weight
    for resource in flows[Int(slot)].path {
      let index = Int(resource.index)
      resources[index].spare = max(0, resources[index].spare - share)
      resources[index].load += share
      resources[index].openFlows -= 1
      resources[index].openWeight -= weight
    }
  }
}
