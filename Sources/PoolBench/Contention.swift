// Locks that several processes want, and one that nobody else wants: the store's and a coherent
// mutex.

import CRobustMutex
import Glibc
import JSONText
import SharedMemory
import TractStore

/// A robust mutex in coherent shared memory, and who held it last.
public struct SharedMutex: ~Copyable {
  private let base: UnsafeMutableRawPointer
  private let path: String
  private let owns: Bool
  private static var bytes: Int { 4096 }

  /// - Parameter path: a name of POSIX shared memory, removed again by whoever has created it.
  public init(_ path: String, creating: Bool) throws(PoolError) {
    let flags = O_RDWR | O_CLOEXEC | (creating ? O_CREAT | O_EXCL : 0)
    let file = shm_open(path, flags, 0o600)
    guard file >= 0 else { throw PoolError(.open, path: path, code: errno) }
    defer { close(file) }
    if creating, ftruncate(file, off_t(Self.bytes)) != 0 {
      throw PoolError(.size, path: path, code: errno)
    }
    guard
      let base = mmap(nil, Self.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0),
      base != MAP_FAILED
    else { throw PoolError(.map, path: path, code: errno) }
    self.base = base
    self.path = path
    owns = creating
    if creating { _ = robust_mutex_init(base) }
  }

  deinit {
    munmap(base, Self.bytes)
    if owns { shm_unlink(path) }
  }

  /// Locks and unlocks; whether somebody else has held it in between.
  public func pass(as holder: Int = 1) -> Bool {
    guard robust_mutex_lock(base) == 0 else { return false }
    let last = base.advanced(by: 1024).assumingMemoryBound(to: Int.self)
    let changed = last.pointee != holder
    last.pointee = holder
    _ = robust_mutex_unlock(base)
    return changed
  }
}

public enum Contention {
  /// The lock of the store, or the mutex.
  public enum Kind: String, CaseIterable, Sendable { case lock, mutex }

  private static var slices: Int { 5 }
  private static var sliceNanoseconds: UInt64 { 200_000_000 }

  /// One process that passes a lock as fast as it can, from the end of standard input.
  public static func contend(
    _ kind: Kind, _ memory: consuming MappedMemory, _ geometry: PoolGeometry, node: Int,
    mutexPath: String, process: ProcessIdentity, say: (JSONValue) -> Void
  ) throws {
    pin(toProcessor: node)
    var node = try PoolNode(
      FaultyMemory(memory), geometry, node: node, leaseNanoseconds: MicroBench.lease,
      patience: 20, process: process)
    let mutex = try SharedMutex(mutexPath, creating: false)
    let name = node.member.node + 1
    say(.object(["ready": .bool(true)]))
    while !inputHasEnded() {
      try node.attend()
      sleep(nanoseconds: 100_000)
    }
    var passages: [JSONValue] = []
    var changes: [JSONValue] = []
    for _ in 0..<slices {
      let begin = monotonicNanoseconds()
      var count = 0
      var changed = 0
      while monotonicNanoseconds() - begin < sliceNanoseconds {
        switch kind {
        case .lock:
          try node.run(LockPassage(0))
          count += 1
        case .mutex:
          for _ in 0..<64 where mutex.pass(as: name) { changed += 1 }
          count += 64
        }
      }
      try node.attend()
      passages.append(.integer(count))
      changes.append(.integer(changed))
    }
    say(.object(["passages": .list(passages), "changes": .list(changes)]))
    try node.leave()
  }

  /// Lets processes contend; what a passage takes, and for the mutex a change of its holder.
  public static func measure(
    _ kind: Kind, processes: Int, start: (Int) throws -> Child
  ) throws -> [Timing] {
    let children = try (0..<processes).map { try start($0) }
    var ready = 0
    var passages = [Double](repeating: 0, count: slices)
    var changes = passages
    while children.contains(where: { $0.end == nil }) {
      for (node, child) in children.enumerated() {
        for line in child.poll() {
          let said = try JSONParser.parse(Array(line.utf8))
          if said["ready"] != nil { ready += 1 }
          add(said["passages"], to: &passages)
          add(said["changes"], to: &changes)
        }
        if let end = child.end, end != .exited(0) {
          throw Child.StartError(description: "contending process \(node) \(end)")
        }
      }
      if ready == processes { for child in children { child.closeInput() } }
      sleep(nanoseconds: 1_000_000)
    }
    let time = Double(sliceNanoseconds)
    func row(_ name: String, _ counts: [Double]) -> Timing {
      Timing(name, counts.map { time / max($0, 1) })
    }
    switch kind {
    case .lock: return [row("lock passage, \(processes) processes contending", passages)]
    case .mutex:
      return [
        row("robust mutex passage, \(processes) processes contending", passages),
        row("  change of its holder", changes),
      ]
    }
  }

  private static func add(_ said: JSONNode?, to sums: inout [Double]) {
    guard case .array(let counts)? = said?.value else { return }
    for (index, count) in counts.enumerated() where index < sums.count {
      sums[index] += count.value.double ?? 0
    }
  }

  /// The coherent baseline without contention.
  public static func measureMutex(_ path: String) throws -> Timing {
    let mutex = try SharedMutex(path, creating: false)
    let count = 10_000
    return Timing(
      "robust mutex passage, uncontended",
      (0..<25).map { _ in
        let begin = monotonicNanoseconds()
        for _ in 0..<count { _ = mutex.pass() }
        return Double(monotonicNanoseconds() - begin) / Double(count)
      })
  }

  /// One thread steps node and manager, so that nothing is waited for: what a passage costs beyond
  /// its line operations, which are recorded (in a second mapping) and repeated alone. Nobody else
  /// may be there.
  public static func measureAlone(
    _ memory: consuming MappedMemory, _ second: consuming MappedMemory, _ geometry: PoolGeometry
  ) -> [Timing] {
    var memory = FaultyMemory(memory)
    var traced = TracedMemory(second)
    var manager = LockManager(
      geometry, pollNanoseconds: 1000, leaseNanoseconds: MicroBench.lease)
    var client = StoreClient(geometry, node: 0, pollNanoseconds: 1000)
    // Earlier managers are silent, and all nodes have left.
    for _ in 0..<64 where !manager.isRuling {
      _ = manager.step(&memory, elapsed: MicroBench.lease)
    }
    guard manager.isRuling else { return [] }
    _ = Join().run(on: &memory, &client) { _ in }
    func settle<M: SharedMemory & ~Copyable>(_ manager: inout LockManager, _ memory: inout M) {
      while case .sync = manager.step(&memory) {}
    }
    func pass<M: SharedMemory & ~Copyable>(
      _ manager: inout LockManager, _ client: inout StoreClient, _ memory: inout M
    ) {
      var passage = LockPassage(0)
      while true {
        if case .done = passage.step(&memory, &client) { break }
        settle(&manager, &memory)
      }
      settle(&manager, &memory)
    }
    func time(_ body: () -> Void) -> [Double] {
      (0..<25).map { _ in
        let begin = monotonicNanoseconds()
        for _ in 0..<200 { body() }
        return Double(monotonicNanoseconds() - begin) / 200
      }
    }
    settle(&manager, &memory)
    pass(&manager, &client, &memory)
    let whole = time { pass(&manager, &client, &memory) }
    traced.isRecording = true
    pass(&manager, &client, &traced)
    let trace = traced.trace
    // It ends with what the lines hold already.
    let alone = time { trace.replay(on: &traced.mapped) }
    traced.isRecording = false
    traced.staysInCache = true
    let computing = time { pass(&manager, &client, &traced) }
    traced.staysInCache = false
    var leave = Leave(geometry)
    while true {
      if case .done = leave.step(&memory, &client) { break }
      settle(&manager, &memory)
    }
    manager.resign(&memory)
    return [
      Timing("lock passage, node and manager stepped by one thread", whole),
      Timing("  its line operations alone (\(trace.summary))", alone),
      Timing("  the same in cache: its computing", computing),
    ]
  }
}
