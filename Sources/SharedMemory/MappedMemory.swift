// Real shared memory: a file, POSIX shared memory or a DAX device, mapped into this process.

import CCacheLine
import Glibc

/// A mapped region, unmapped at the end of its life.
///
/// Names that begin with `shm:/` are POSIX shared memory; everything else is a path. Addresses must
/// lie inside `byteCount`; the store keeps to that by checking the pool's geometry against the
/// region's size when it opens it.
public struct MappedMemory: ~Copyable, SharedMemory {
  @usableFromInline let base: UnsafeMutableRawPointer
  public let byteCount: UInt64
  public let capabilities: DeviceCapabilities
  /// Open as long as the mapping lives, for its advisory lock.
  private let file: Int32

  /// Maps what exists.
  ///
  /// With `exclusively`, at most one such mapping exists on this host at a time (flock); others
  /// may map the region without it.
  public init(opening path: String, exclusively: Bool = false) throws(PoolError) {
    let file = try Self.open(path, flags: O_RDWR, action: .open)
    if exclusively, flock(file, LOCK_EX | LOCK_NB) != 0 {
      close(file)
      throw PoolError(
        .open, path: path, reason: "another process uses it",
        remedy: "wait until it has ended")
    }
    do {
      try self.init(file: file, path: path, bytes: Self.size(of: file, path: path))
    } catch {
      close(file)
      throw error
    }
  }

  /// Creates a file or POSIX shared memory of `bytes` zero bytes; refuses to replace one.
  public init(creating path: String, bytes: UInt64) throws(PoolError) {
    let file = try Self.open(path, flags: O_RDWR | O_CREAT | O_EXCL, action: .create)
    // Reserve the space now: a sparse file on a full disk would end in SIGBUS at some later store.
    let code = posix_fallocate(file, 0, off_t(clamping: bytes))
    guard code == 0 else {
      close(file)
      Self.remove(path)
      throw PoolError(.size, path: path, code: code)
    }
    do {
      try self.init(file: file, path: path, bytes: bytes)
    } catch {
      close(file)
      Self.remove(path)
      throw error
    }
  }

  /// Takes `file` over if it does not throw.
  private init(file: Int32, path: String, bytes: UInt64) throws(PoolError) {
    guard bytes > 0 else {
      throw PoolError(.map, path: path, reason: "it is empty", remedy: "create the pool first")
    }
    let mapping = mmap(nil, Int(clamping: bytes), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
    guard let mapping, mapping != MAP_FAILED else {
      throw PoolError(.map, path: path, code: errno)
    }
    base = mapping
    byteCount = bytes
    self.file = file
    capabilities = DeviceCapabilities(
      fabric: .strong, ddio: false, lineStore: cl_has_line_store() != 0, payload: .cpuVisible)
  }

  deinit {
    munmap(base, Int(byteCount))
    close(file)
  }

  /// Deletes a file or POSIX shared memory by name; what is mapped stays mapped.
  public static func remove(_ path: String) {
    if let name = sharedMemoryName(path) { shm_unlink(name) } else { unlink(path) }
  }

  // MARK: Who uses it

  /// Claims the region together with others, so that nobody gets it `exclusively`; false if
  /// somebody has.
  public func share() -> Bool { flock(file, LOCK_SH | LOCK_NB) == 0 }

  /// Takes a part that one process of this host can play at a time, until the mapping ends; false
  /// if another has it.
  ///
  /// Parts are numbered locks of the open file (fcntl), beyond all data, so that they bar nobody
  /// from the data itself. They cover one host and one file, by whatever path it is opened.
  public func takePart(_ part: Int) -> Bool {
    var lock = Self.lock(part, F_WRLCK)
    return fcntl(file, Self.setLock, &lock) == 0
  }

  /// Gives the part back.
  public func leavePart(_ part: Int) {
    var lock = Self.lock(part, F_UNLCK)
    _ = fcntl(file, Self.setLock, &lock)
  }

  /// Whether another process of this host has taken the part.
  public func isPartTaken(_ part: Int) -> Bool {
    var lock = Self.lock(part, F_WRLCK)
    return fcntl(file, Self.getLock, &lock) != 0 || lock.l_type != Int16(F_UNLCK)
  }

  // Open file description locks (Linux 3.15), which fork and other mappings leave alone.
  private static var getLock: Int32 { 36 }
  private static var setLock: Int32 { 37 }

  private static func lock(_ part: Int, _ type: Int32) -> Glibc.flock {
    Glibc.flock(
      l_type: Int16(type), l_whence: Int16(SEEK_SET), l_start: off_t(1 << 62 + part), l_len: 1,
      l_pid: 0)
  }

  /// The name for `shm_open`, if `path` begins with `shm:`.
  private static func sharedMemoryName(_ path: String) -> String? {
    path.hasPrefix("shm:") ? String(path.dropFirst(4)) : nil
  }

  private static func open(
    _ path: String, flags: Int32, action: PoolError.Action
  ) throws(PoolError) -> Int32 {
    let file: Int32
    if let name = sharedMemoryName(path) {
      guard name.hasPrefix("/"), name.count > 1, !name.dropFirst().contains("/") else {
        throw PoolError(
          action, path: path, reason: "not a name of POSIX shared memory",
          remedy: "write it as shm:/name, with no further slash")
      }
      file = shm_open(name, flags | O_CLOEXEC, 0o600)
    } else {
      file = Glibc.open(path, flags | O_CLOEXEC, 0o600)
    }
    guard file >= 0 else { throw PoolError(action, path: path, code: errno) }
    return file
  }

  /// Bytes behind an open file; a DAX device tells its size in sysfs.
  private static func size(of file: Int32, path: String) throws(PoolError) -> UInt64 {
    var status = stat()
    guard fstat(file, &status) == 0 else { throw PoolError(.size, path: path, code: errno) }
    guard status.st_mode & S_IFMT == S_IFCHR else { return UInt64(clamping: status.st_size) }
    // The parts of a dev_t, as glibc's gnu_dev_major and gnu_dev_minor take it apart.
    let device = status.st_rdev
    let major = (device >> 8) & 0xFFF | (device >> 32) & ~0xFFF
    let minor = device & 0xFF | (device >> 12) & ~0xFF
    let attribute = "/sys/dev/char/\(major):\(minor)/size"
    guard let text = fopen(attribute, "r") else {
      throw PoolError(
        .size, path: path, reason: "no \(attribute)",
        remedy: "give a DAX device (/dev/dax…), a file or shm:/name")
    }
    defer { fclose(text) }
    var digits = [CChar](repeating: 0, count: 32)
    guard fgets(&digits, Int32(digits.count), text) != nil else { return 0 }
    return UInt64(strtoull(digits, nil, 10))
  }

  @inlinable public mutating func load(_ address: Address) -> UInt64 {
    cl_load64(pointer(address, 8))
  }

  @inlinable public mutating func store(_ value: UInt64, to address: Address) {
    cl_store64(pointer(address, 8), value)
  }

  @inlinable public mutating func flush(_ line: Address) { cl_flush(pointer(line.line, 64)) }

  @inlinable public mutating func fence() { cl_fence() }

  @inlinable public mutating func storeLine(_ line: Line64, at address: Address) {
    withUnsafeBytes(of: line) { bytes in
      cl_store_line(
        pointer(address.line, 64), bytes.baseAddress!.assumingMemoryBound(to: UInt64.self))
    }
  }

  /// Copies payload in and pushes it to the device.
  public mutating func writePayload(_ bytes: UnsafeRawBufferPointer, at address: Address) {
    guard let source = bytes.baseAddress, bytes.count > 0 else { return }
    cl_copy_out(pointer(address, UInt64(bytes.count)), source, bytes.count)
  }

  /// Copies payload out as it is at the device.
  public mutating func readPayload(
    at address: Address, into bytes: UnsafeMutableRawBufferPointer
  ) {
    guard let destination = bytes.baseAddress, bytes.count > 0 else { return }
    cl_copy_in(destination, pointer(address, UInt64(bytes.count)), bytes.count)
  }

  @inlinable func pointer(_ address: Address, _ bytes: UInt64) -> UnsafeMutableRawPointer {
    assert(address.offset <= byteCount && bytes <= byteCount - address.offset)
    return base + Int(truncatingIfNeeded: address.offset)
  }
}
