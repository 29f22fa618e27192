// A child process: what it says line by line, how it ended.

import CProcess
import Glibc

/// Starts and watches one process, whose standard input is a pipe that ends with this one's life.
public final class Child {
  /// How a process ended.
  public enum End: Hashable, CustomStringConvertible {
    case exited(Int32)
    case killed(signal: Int32)

    public var description: String {
      switch self {
      case .exited(let status): "ended with status \(status)"
      case .killed(let signal): "was killed by signal \(signal)"
      }
    }
  }

  public struct StartError: Error, CustomStringConvertible {
    public var description: String
  }

  public let pid: pid_t
  /// Nil while it runs.
  public private(set) var end: End?
  private var input: Int32
  private let output: Int32
  private var pending: [UInt8] = []

  public init(_ arguments: [String]) throws(StartError) {
    var toChild: [Int32] = [-1, -1]
    var fromChild: [Int32] = [-1, -1]
    guard pipe(&toChild) == 0, pipe(&fromChild) == 0 else {
      throw StartError(description: "no pipe: \(String(cString: strerror(errno)))")
    }
    // Other children must not hold these open.
    for end in toChild + fromChild { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_adddup2(&actions, toChild[0], STDIN_FILENO)
    posix_spawn_file_actions_adddup2(&actions, fromChild[1], STDOUT_FILENO)
    defer { posix_spawn_file_actions_destroy(&actions) }
    let words = (["tract-pool"] + arguments).map { strdup($0) }
    defer { for word in words { free(word) } }
    var pid = pid_t()
    let code = posix_spawn(&pid, "/proc/self/exe", &actions, nil, words + [nil], environ)
    close(toChild[0])
    close(fromChild[1])
    guard code == 0 else {
      close(toChild[1])
      close(fromChild[0])
      throw StartError(description: String(cString: strerror(code)))
    }
    self.pid = pid
    input = toChild[1]
    output = fromChild[0]
  }

  deinit {
    stop()
    closeInput()
    close(output)
  }

  /// Tells the child to come to its end, or to begin.
  public func closeInput() {
    if input >= 0 { close(input) }
    input = -1
  }

  public func send(signal: Int32) {
    if end == nil { Glibc.kill(pid, signal) }
  }

  /// Kills the process, if it still runs, and waits for its end.
  public func stop() {
    guard end == nil else { return }
    Glibc.kill(pid, SIGKILL)
    while waitpid(pid, nil, 0) < 0, errno == EINTR {}
    end = .killed(signal: SIGKILL)
  }

  /// Lines that have arrived since the last call, and whether the process has ended.
  public func poll() -> [String] {
    if end == nil {
      var status: Int32 = 0
      if waitpid(pid, &status, WNOHANG) == pid {
        end = status & 0x7F == 0 ? .exited(status >> 8 & 0xFF) : .killed(signal: status & 0x7F)
      }
    }
    // After the end is known, so that nothing it said is missed.
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    var ready = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
    while Glibc.poll(&ready, 1, 0) > 0 {
      let count = read(output, &bytes, bytes.count)
      guard count > 0 else { break }
      pending += bytes[..<count]
    }
    var lines: [String] = []
    while let newline = pending.firstIndex(of: UInt8(ascii: "\n")) {
      lines.append(String(decoding: pending[..<newline], as: UTF8.self))
      pending.removeSubrange(...newline)
    }
    return lines
  }
}

/// Whether standard input has ended, without waiting.
public func inputHasEnded() -> Bool {
  var ready = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
  guard Glibc.poll(&ready, 1, 0) > 0 else { return false }
  var byte: UInt8 = 0
  return ready.revents & Int16(POLLIN) == 0 || read(STDIN_FILENO, &byte, 1) <= 0
}

/// This process is killed when its parent ends.
public func endWithParent() { _ = process_end_with_parent(SIGKILL) }

/// Binds this process to one processor, counting round: on different processors, processes wait for
/// each other, on one they take turns.
public func pin(toProcessor index: Int) { _ = process_pin(Int32(index)) }
