// The line operations of an operation, recorded and repeated alone.

import SharedMemory

/// What the store does to memory, in order.
struct LineTrace {
  enum Access {
    case load(Address)
    case store(UInt64, Address)
    case flush(Address)
    case fence
    case line(Line64, Address)
  }

  var accesses: [Access] = []

  /// Does the same again, and nothing else.
  func replay(on memory: inout MappedMemory) {
    var sum: UInt64 = 0
    for access in accesses {
      switch access {
      case .load(let address): sum &+= memory.load(address)
      case .store(let value, let address): memory.store(value, to: address)
      case .flush(let line): memory.flush(line)
      case .fence: memory.fence()
      case .line(let line, let address): memory.storeLine(line, at: address)
      }
    }
    // Seen by the optimiser as used.
    if sum == 0x5EA1 { memory.fence() }
  }

  /// Counts, in words.
  var summary: String {
    var counts = [0, 0, 0, 0]
    for access in accesses {
      switch access {
      case .load: counts[0] += 1
      case .store, .line: counts[1] += 1
      case .flush: counts[2] += 1
      case .fence: counts[3] += 1
      }
    }
    return "\(counts[0]) loads, \(counts[1]) stores, \(counts[2]) flushes, \(counts[3]) fences"
  }
}

/// Real memory that notes what is done to it while `isRecording`, or that stays in the cache.
struct TracedMemory: ~Copyable, SharedMemory {
  var mapped: MappedMemory
  var trace = LineTrace()
  var isRecording = false
  /// Leaves out what makes memory slow: the cache keeps one process's view consistent without.
  var staysInCache = false

  init(_ mapped: consuming MappedMemory) { self.mapped = mapped }

  var capabilities: DeviceCapabilities { mapped.capabilities }

  mutating func load(_ address: Address) -> UInt64 {
    if isRecording { trace.accesses.append(.load(address)) }
    return mapped.load(address)
  }

  mutating func store(_ value: UInt64, to address: Address) {
    if isRecording { trace.accesses.append(.store(value, address)) }
    mapped.store(value, to: address)
  }

  mutating func flush(_ line: Address) {
    if isRecording { trace.accesses.append(.flush(line)) }
    if !staysInCache { mapped.flush(line) }
  }

  mutating func fence() {
    if isRecording { trace.accesses.append(.fence) }
    if !staysInCache { mapped.fence() }
  }

  mutating func storeLine(_ line: Line64, at address: Address) {
    if isRecording { trace.accesses.append(.line(line, address)) }
    guard staysInCache else { return mapped.storeLine(line, at: address) }
    for index in 0..<8 { mapped.store(line[index], to: address + UInt64(index) * 8) }
  }
}
