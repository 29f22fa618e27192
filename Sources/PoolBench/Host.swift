// This process among others: who it is, which part of a pool it plays, how it waits.

import Glibc
import SharedMemory
import TractStore

extension ProcessIdentity {
  /// This process.
  ///
  /// The host is told by its boot id together with the namespace in which process ids count, so
  /// that two containers of one machine are two hosts: neither can stop processes of the other.
  /// Nil where /proc does not tell.
  public static func current() -> ProcessIdentity? {
    guard let boot = contents(of: "/proc/sys/kernel/random/boot_id"),
      let namespace = link(at: "/proc/self/ns/pid"),
      let started = startTime(of: getpid())
    else { return nil }
    var host: UInt64 = 0
    for byte in boot + namespace {
      var mixer = SplitMix64(seed: host ^ UInt64(byte))
      host = mixer.next()
    }
    return ProcessIdentity(host: max(1, host), process: UInt64(getpid()), started: started)
  }

  /// When a process started, in ticks since boot: field 22 of /proc/PID/stat (proc(5)); nil if
  /// there is no such process.
  public static func startTime(of process: pid_t) -> UInt64? {
    // The second field is a name in parentheses, which may hold anything.
    guard let text = contents(of: "/proc/\(process)/stat"),
      let name = text.lastIndex(of: UInt8(ascii: ")"))
    else { return nil }
    let fields = text[(name + 1)...].split(separator: UInt8(ascii: " "))
    guard fields.count > 19 else { return nil }
    return UInt64(String(decoding: fields[19], as: UTF8.self))
  }

  private static func contents(of path: String) -> [UInt8]? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = read(file, &bytes, bytes.count)
    return count > 0 ? Array(bytes[..<count]) : nil
  }

  private static func link(at path: String) -> [UInt8]? {
    var bytes = [CChar](repeating: 0, count: 256)
    let count = readlink(path, &bytes, bytes.count)
    return count > 0 ? bytes[..<count].map { UInt8(bitPattern: $0) } : nil
  }
}

/// Parts of a pool that one process of a host plays at a time (`MappedMemory.takePart`).
public enum Part {
  /// The lock manager of a seat.
  public static func manager(seat: Int) -> Int { seat }
  /// A node, while it lives. Who waits to become the node does not hold it.
  public static func node(_ node: Int) -> Int { 256 + node }
}

/// Nanoseconds of the monotonic clock.
public func monotonicNanoseconds() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// Sleeps about that long.
public func sleep(nanoseconds: UInt64) {
  var time = timespec(
    tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
  nanosleep(&time, nil)
}

/// Waiting for another process: first by giving the processor away, then by sleeping, as the one
/// that is waited for may need it.
public struct Patience {
  private var waits = 0
  private static var yields: Int { 64 }
  /// Longer, the longer nothing has happened.
  private static var naps: (least: UInt64, most: UInt64) { (20_000, 200_000) }

  public init() {}

  /// Something happened.
  public mutating func renew() { waits = 0 }

  public mutating func wait() {
    waits += 1
    if waits <= Self.yields {
      sched_yield()
    } else {
      sleep(nanoseconds: min(UInt64(waits / 1024 + 1) * Self.naps.least, Self.naps.most))
    }
  }
}
