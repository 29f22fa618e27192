// A shared-memory device that does everything it is allowed to do, when it hurts most.

import PoolBench
import SharedMemory
import TractStore

/// How a device and its hosts misbehave, within what the hardware allows; rates are per 4096
/// accesses.
public struct Adversity: Hashable, Sendable {
  /// Lines thrown out of a cache, modified or not.
  public var evictions = 0
  /// Lines fetched into a cache though nobody asked.
  public var prefetches = 0
  /// Flushes and line stores that happen before the fence, in any order.
  public var earlyWrites = 0
  /// Posted writes that arrive, when nobody waits for them.
  public var deliveries = 0
  /// Steps that are interrupted for steps of other hosts: what a step does takes time.
  public var preemptions = 0
  /// What the fabric and the hosts really are.
  public var isPosted = false
  public var hasDDIO = false
  /// Whether line stores go around the cache.
  public var hasLineStore = true

  public init() {}
}

/// The device, the caches of the hosts and all that is on its way between them.
///
/// It is as weak as the hardware: caches keep copies for ever or drop them at once; what is written
/// back is the whole line; flushes and line stores wait for a fence and happen in any order; on a
/// posting fabric they arrive later still, in order only for one host and line; DMA goes through
/// the host's cache if there is DDIO. Three traps need no knowledge of the protocols: a line
/// written by somebody it does not belong to (I1), a modified line left behind when a lock is
/// released (I2), and payload touched by a processor (I8).
///
/// Confined to one thread.
public final class AdversarialDevice {
  /// Lines of a host's cache; direct-mapped, so that conflicts evict as well.
  static var cacheLines: Int { 64 }
  /// DMA moves a block in so many pieces.
  static var sectors: Int { 2 }

  struct Pending {
    var index: Int
    var line: Line64
  }

  struct Host {
    var tags = [Int](repeating: -1, count: AdversarialDevice.cacheLines)
    var copies = [Line64](repeating: Line64(), count: AdversarialDevice.cacheLines)
    var modified = [Bool](repeating: false, count: AdversarialDevice.cacheLines)
    var modifiedCount = 0
    /// Lines that are to be flushed at the latest by the next fence.
    var flushes: [Int] = []
    /// Line stores that are to leave the host at the latest by the next fence.
    var stores: [Pending] = []
    /// Writes on a posting fabric.
    var posts: [Pending] = []
    /// Payload that DMA left in the cache, by block and sector.
    var payload: [Int: UInt64] = [:]
    /// Whether its process has died: what it still does has no effect.
    var isDead = false
    /// Locks its node held before the current step.
    var held: [Bool] = []
    /// Whether it is a node's host; others run lock managers.
    var node: Int?
    var seat: Int?
  }

  let geometry: PoolGeometry
  let adversity: Adversity
  let sabotage: Sabotage?
  /// Nothing happens of its own accord.
  var isCalm = false
  /// While a pool is being formatted its lines belong to whoever does it.
  var isFormatting = false
  private let lineCount: Int
  // What each line is for, looked up once.
  private let areas: [PoolGeometry.Area]
  private let owners: [PoolGeometry.Owner?]
  private let locks: [UInt16?]
  // In plain memory: a third of the time went into the runtime's checks for overlapping accesses.
  let lines: UnsafeMutableBufferPointer<Line64>
  /// What each line holds once everything has arrived.
  private let latest: UnsafeMutableBufferPointer<Line64>
  private(set) var payload: [UInt64]
  let hosts: UnsafeMutableBufferPointer<Host>
  var random: SplitMix64
  private(set) var accesses = 0
  private(set) var traps: [String] = []
  /// Called where the store names a crash point.
  var armed: (host: Int, point: CrashPoint)?
  private(set) var reached: (host: Int, point: CrashPoint)?
  /// Lines that cannot be read until they are written whole.
  private var poisoned: Set<Int> = []
  var hasPoison: Bool { !poisoned.isEmpty }

  init(
    _ geometry: PoolGeometry, nodes: Int, adversity: Adversity, sabotage: Sabotage?, seed: UInt64
  ) {
    self.geometry = geometry
    self.adversity = adversity
    self.sabotage = sabotage
    lineCount = Int(geometry.metadataBytes / Line64.bytes)
    let addresses = (0..<UInt64(lineCount)).map { Address($0 * Line64.bytes) }
    areas = addresses.map { geometry.area(of: $0) }
    owners = addresses.map { geometry.owner(of: $0) }
    locks = addresses.map { geometry.lock(of: $0) }
    lines = .allocate(capacity: lineCount)
    lines.initialize(repeating: Line64())
    latest = .allocate(capacity: lineCount)
    latest.initialize(repeating: Line64())
    payload = Array(repeating: 0, count: geometry.blocks * Self.sectors)
    hosts = .allocate(capacity: nodes + geometry.seats)
    hosts.initialize(repeating: Host())
    random = SplitMix64(seed: seed)
    for index in hosts.indices {
      hosts[index].node = index < nodes ? index : nil
      hosts[index].seat = index < nodes ? nil : index - nodes
    }
  }

  deinit {
    lines.deallocate()
    latest.deallocate()
    hosts.deinitialize()
    hosts.deallocate()
  }

  func trap(_ text: String) {
    if isFormatting { return }
    if traps.count < 4, !traps.contains(text) { traps.append(text) }
  }

  // MARK: What the adversary does on its own

  @inline(__always) private func disturb(_ host: Int) {
    accesses += 1
    guard !isCalm else { return }
    let dice = random.next()
    let roll = Int(truncatingIfNeeded: dice & 4095)
    let a = adversity
    var bound = a.evictions
    if roll < bound {
      let victim = Int((dice >> 16) % UInt64(hosts.count))
      evict(victim, Int((dice >> 32) % UInt64(Self.cacheLines)))
      return
    }
    bound += a.prefetches
    if roll < bound {
      let line = Int((dice >> 32) % UInt64(lineCount))
      if find(host, line) == nil { _ = fill(host, line) }
      return
    }
    bound += a.earlyWrites
    if roll < bound {
      drainOne(host, dice)
      return
    }
    bound += a.preemptions
    if roll < bound {
      onPreempt?()
      return
    }
    bound += a.deliveries
    if roll < bound { deliverOne(Int((dice >> 16) % UInt64(hosts.count)), dice >> 32) }
  }

  /// Time passes; whether the host has lived through it.
  private func isAlive(_ host: Int) -> Bool {
    guard !hosts[host].isDead else { return false }
    disturb(host)
    return !hosts[host].isDead
  }

  private func drainOne(_ host: Int, _ dice: UInt64) {
    if dice >> 20 & 1 == 0, !hosts[host].flushes.isEmpty {
      let place = Int((dice >> 32) % UInt64(hosts[host].flushes.count))
      drop(host, hosts[host].flushes.remove(at: place))
    } else if !hosts[host].stores.isEmpty {
      let place = Int((dice >> 32) % UInt64(hosts[host].stores.count))
      let store = hosts[host].stores.remove(at: place)
      leave(host, store)
    }
  }

  /// The oldest posted write of a line arrives.
  private func deliverOne(_ host: Int, _ dice: UInt64) {
    guard !hosts[host].posts.isEmpty else { return }
    let chosen = hosts[host].posts[Int(dice % UInt64(hosts[host].posts.count))].index
    let first = hosts[host].posts.firstIndex { $0.index == chosen }!
    let post = hosts[host].posts.remove(at: first)
    lines[post.index] = post.line
    poisoned.remove(post.index)
  }

  // MARK: The cache

  private func find(_ host: Int, _ index: Int) -> Int? {
    let slot = index & (Self.cacheLines - 1)
    return hosts[host].tags[slot] == index ? slot : nil
  }

  private func fill(_ host: Int, _ index: Int) -> Int {
    let slot = index & (Self.cacheLines - 1)
    if hosts[host].tags[slot] >= 0 { evict(host, slot) }
    // A host's own posted writes of a line are pushed ahead of its read.
    if !hosts[host].posts.isEmpty { push(host, index) }
    hosts[host].tags[slot] = index
    hosts[host].copies[slot] = poisoned.contains(index) ? Self.poison : lines[index]
    hosts[host].modified[slot] = false
    return slot
  }

  private func push(_ host: Int, _ index: Int) {
    for post in hosts[host].posts where post.index == index { lines[index] = post.line }
    hosts[host].posts.removeAll { $0.index == index }
  }

  /// What a line reads as that the device cannot read: no seal fits.
  private static let poison = Line64(.max, .max, .max, .max, .max, .max, .max, 0)

  private func evict(_ host: Int, _ slot: Int) {
    let index = hosts[host].tags[slot]
    guard index >= 0 else { return }
    hosts[host].tags[slot] = -1
    guard hosts[host].modified[slot] else { return }
    hosts[host].modified[slot] = false
    hosts[host].modifiedCount -= 1
    leave(host, Pending(index: index, line: hosts[host].copies[slot]))
  }

  private func drop(_ host: Int, _ index: Int) {
    guard let slot = find(host, index) else { return }
    if sabotage == .keepsFlushedLines {
      if hosts[host].modified[slot] {
        hosts[host].modified[slot] = false
        hosts[host].modifiedCount -= 1
        leave(host, Pending(index: index, line: hosts[host].copies[slot]))
      }
      return
    }
    evict(host, slot)
  }

  /// A line leaves a host for the device.
  private func leave(_ host: Int, _ write: Pending) {
    checkRelease(host, write)
    if adversity.isPosted {
      hosts[host].posts.append(write)
    } else {
      lines[write.index] = write.line
      poisoned.remove(write.index)
    }
  }

  // MARK: What hosts do

  func load(_ host: Int, _ address: Address) -> UInt64 {
    guard let index = index(address, host) else { return 0 }
    disturb(host)
    let slot = find(host, index) ?? fill(host, index)
    return hosts[host].copies[slot][Int(address.offset >> 3 & 7)]
  }

  func store(_ host: Int, _ value: UInt64, _ address: Address) {
    guard let index = index(address, host), isAlive(host) else { return }
    let slot = find(host, index) ?? fill(host, index)
    hosts[host].copies[slot][Int(address.offset >> 3 & 7)] = value
    if !hosts[host].modified[slot] {
      hosts[host].modified[slot] = true
      hosts[host].modifiedCount += 1
    }
    if address.offset & 63 == 56 { note(host, index, hosts[host].copies[slot]) }
  }

  func flush(_ host: Int, _ line: Address) {
    var line = line
    if sabotage == .flushesTheWrongLine { line.offset += Line64.bytes }
    guard let index = index(line, host), isAlive(host) else { return }
    if skipsFlush(index, host) { return }
    hosts[host].flushes.append(index)
  }

  func fence(_ host: Int) {
    guard isAlive(host), sabotage != .omitsFences else { return }
    for index in hosts[host].flushes { drop(host, index) }
    hosts[host].flushes.removeAll(keepingCapacity: true)
    for store in hosts[host].stores { leave(host, store) }
    hosts[host].stores.removeAll(keepingCapacity: true)
  }

  func storeLine(_ host: Int, _ line: Line64, _ address: Address) {
    guard let index = index(address, host), isAlive(host) else { return }
    if let slot = find(host, index) {
      if hosts[host].modified[slot] { hosts[host].modifiedCount -= 1 }
      hosts[host].tags[slot] = -1
      hosts[host].modified[slot] = false
    }
    note(host, index, line)
    if sabotage?.keepsStores(to: areas[index]) == true {
      let slot = fill(host, index)
      hosts[host].copies[slot] = line
      hosts[host].modified[slot] = true
      hosts[host].modifiedCount += 1
    } else {
      hosts[host].stores.append(Pending(index: index, line: line))
    }
  }

  func reach(_ host: Int, _ point: CrashPoint) {
    guard let armed, armed.host == host, armed.point == point, !hosts[host].isDead else { return }
    self.armed = nil
    reached = armed
    onReach?(host, point)
  }

  /// What to do at the armed crash point.
  var onReach: ((Int, CrashPoint) -> Void)?

  /// Lets other hosts go on in the middle of a step.
  var onPreempt: (() -> Void)?

  func forgetReached() { reached = nil }

  private func index(_ address: Address, _ host: Int) -> Int? {
    let index = Int(address.offset >> 6)
    if index < lineCount { return index }
    trap("I8: host \(host) touches payload at \(address.offset)")
    return nil
  }

  private func skipsFlush(_ index: Int, _ host: Int) -> Bool {
    guard let sabotage else { return false }
    let isModified = find(host, index).map { hosts[host].modified[$0] } ?? false
    return sabotage.leavesOutFlush(of: areas[index], isModified: isModified)
  }

  /// Whether something that the host has written into a line may still arrive.
  func isUnderWay(_ host: Int, _ index: Int) -> Bool {
    hosts[host].stores.contains { $0.index == index }
      || hosts[host].posts.contains { $0.index == index }
      || find(host, index).map { hosts[host].modified[$0] } ?? false
  }

  // MARK: Traps

  /// I1: whoever writes a line must be its writer now.
  private func note(_ host: Int, _ index: Int, _ line: Line64) {
    let (node, seat) = (hosts[host].node, hosts[host].seat)
    if let owner = owners[index] {
      if owner != (node.map { .node($0) } ?? .seat(seat!)) {
        trap("I1: host \(host) writes a line of \(owner)")
      }
    } else if let lock = locks[index], let node, !hosts[host].held.isEmpty {
      let isOwn = geometry.isReserved(latest[index], by: node)
      if !hosts[host].held[Int(lock)], !isOwn {
        trap("I1: node \(node) writes line \(index) (\(areas[index])) without its lock")
      }
    }
    latest[index] = line
  }

  /// I2: when a lock is given back, nothing that it guards is still on its way.
  private func checkRelease(_ host: Int, _ write: Pending) {
    guard areas[write.index] == .requests, geometry.isRelease(write.line) else { return }
    let guarded =
      hosts[host].modifiedCount > 0
      ? zip(hosts[host].tags, hosts[host].modified).contains { $0.1 && isGuarded($0.0) } : false
    let pending =
      hosts[host].stores.contains { isGuarded($0.index) }
      || hosts[host].posts.contains { isGuarded($0.index) }
    if guarded || pending {
      trap("I2: host \(host) releases a lock before its writes have arrived")
    }
  }

  private func isGuarded(_ index: Int) -> Bool {
    index >= 0 && locks[index] != nil
  }

  // MARK: Payload

  func dmaWrite(_ host: Int, block: Int, sector: Int, stamp: UInt64) {
    let key = block * Self.sectors + sector
    if adversity.hasDDIO || adversity.isPosted {
      hosts[host].payload[key] = stamp
      // What is on its way arrives some time.
      if random.next() & 3 == 0 { settle(host, key) }
    } else {
      payload[key] = stamp
    }
  }

  func dmaRead(_ host: Int, block: Int, sector: Int) -> UInt64 {
    let key = block * Self.sectors + sector
    return hosts[host].payload[key] ?? payload[key]
  }

  func settlePayload(_ host: Int, _ address: Address) {
    guard !hosts[host].isDead else { return }
    let block = Int((address.offset - geometry.payloadBase.offset) / geometry.blockBytes)
    for sector in 0..<Self.sectors { settle(host, block * Self.sectors + sector) }
  }

  private func settle(_ host: Int, _ key: Int) {
    if let stamp = hosts[host].payload.removeValue(forKey: key) { payload[key] = stamp }
  }

  // MARK: Deaths

  /// The process is gone; what its host has cached stays, and is written back some time. A line
  /// store in mid-write may have been cut.
  func killProcess(_ host: Int) {
    hosts[host].isDead = true
    if var last = hosts[host].stores.popLast() {
      let words = Int(random.next() % 9)
      let old = lines[last.index]
      for word in words..<8 { last.line[word] = old[word] }
      if words > 0 { hosts[host].stores.append(last) }
    }
    for store in hosts[host].stores where random.next() & 1 == 0 { leave(host, store) }
    hosts[host].stores = []
    hosts[host].flushes = []
  }

  /// The host is gone with its cache; some modified lines may have been written back before.
  func killHost(_ host: Int) {
    killProcess(host)
    for slot in 0..<Self.cacheLines {
      if random.next() & 1 == 0 { evict(host, slot) }
      hosts[host].tags[slot] = -1
      hosts[host].modified[slot] = false
    }
    hosts[host].modifiedCount = 0
    // What had left the host still arrives, or is lost with its link.
    while !hosts[host].posts.isEmpty, random.next() & 3 != 0 { deliverOne(host, random.next()) }
    hosts[host].posts = []
    for key in hosts[host].payload.keys.sorted() where random.next() & 1 == 0 { settle(host, key) }
    hosts[host].payload = [:]
  }

  /// What an agent on the host does before the host's member counts as stopped: writes back what
  /// the cache holds and waits until it has arrived.
  func flushHost(_ host: Int) {
    for slot in 0..<Self.cacheLines { evict(host, slot) }
    while !hosts[host].posts.isEmpty { deliverOne(host, 0) }
  }

  /// Nothing of the host's DMA is left anywhere.
  func silence(_ host: Int) {
    for key in hosts[host].payload.keys.sorted() { settle(host, key) }
  }

  func revive(_ host: Int) { hosts[host].isDead = false }

  /// Makes a line unreadable until it is written whole.
  func poison(_ index: Int) { poisoned.insert(index) }

  /// Everything arrives, and no cache holds anything.
  func quiesce() {
    for host in hosts.indices {
      for store in hosts[host].stores { leave(host, store) }
      hosts[host].stores = []
      hosts[host].flushes = []
      flushHost(host)
    }
  }
}

/// One host's view of an adversarial device.
public struct AdversarialMemory: SharedMemory {
  let device: AdversarialDevice
  let host: Int
  public var capabilities: DeviceCapabilities

  init(_ device: AdversarialDevice, host: Int) {
    self.device = device
    self.host = host
    let adversity = device.adversity
    capabilities = DeviceCapabilities(
      fabric: adversity.isPosted && device.sabotage != .trustsPostedWrites ? .posted : .strong,
      ddio: adversity.hasDDIO && device.sabotage != .hidesDDIO,
      lineStore: adversity.hasLineStore, payload: .dmaOnly)
  }

  public mutating func load(_ address: Address) -> UInt64 { device.load(host, address) }
  public mutating func store(_ value: UInt64, to address: Address) {
    device.store(host, value, redirected(address))
  }
  public mutating func flush(_ line: Address) { device.flush(host, line) }
  public mutating func fence() { device.fence(host) }
  public mutating func storeLine(_ line: Line64, at address: Address) {
    device.storeLine(host, line, redirected(address))
  }
  public mutating func settlePayload(_ address: Address, bytes: UInt64) {
    device.settlePayload(host, address)
  }
  public mutating func reach(_ point: CrashPoint) { device.reach(host, point) }

  /// Two nodes' own lines in one.
  private func redirected(_ address: Address) -> Address {
    guard device.sabotage == .sharesALine, device.geometry.doorbells.contains(address) else {
      return address
    }
    return Address(device.geometry.doorbells.lowerBound.offset + address.offset % 64)
  }
}
