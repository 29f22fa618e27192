// Making sure that a suspect reaches the pool no more.

import CProcess
import Foundation
import TractStore

/// Stops suspects: processes of this host itself, others by a command of the operator's.
///
/// It never guesses: without proof the answer is `.none`, and the suspect's locks stay held.
public struct Fencer: Sendable {
  private let own: ProcessIdentity
  /// Run by the shell for suspects on other hosts; exit status 0 says that the suspect is silenced.
  public let command: String?
  /// How long a killed process may take to end, and a command to run.
  private let patience: (kill: Int32, command: Double)

  public init(_ own: ProcessIdentity, command: String?) {
    self.own = own
    self.command = command
    patience = (2000, 60)
  }

  /// - Parameter isPartTaken: whether a process of this host plays the suspect's node now.
  public func fence(_ suspect: Suspect, isPartTaken: Bool) -> Fencing {
    guard suspect.process.host == own.host, suspect.process.process > 0 else {
      return ask(suspect)
    }
    if suspect.isCertain { return stop(suspect.process) }
    // The line was torn in the middle of a write, so its process may be that of an earlier life.
    // Whoever plays the node on this host holds its part; on another host, only the command knows.
    if isPartTaken { return .none }
    return command == nil ? .silenced : ask(suspect)
  }

  /// Kills a process of this host. Its caches are coherent with everybody's on this host and its
  /// payload is written by itself, so with its last thread it is silenced.
  private func stop(_ identity: ProcessIdentity) -> Fencing {
    guard let pid = pid_t(exactly: identity.process) else { return .none }
    // Whose number this process has come to bear is gone; itself it does not stop.
    if identity.process == own.process {
      return identity.started == own.started ? .none : .silenced
    }
    // From here on the number cannot come to mean another process unnoticed.
    let process = process_open(pid)
    guard process >= 0 else { return errno == ESRCH ? .silenced : .none }
    defer { close(process) }
    if let started = ProcessIdentity.startTime(of: pid), started != identity.started {
      return .silenced
    }
    if process_signal(process, SIGKILL) != 0, errno != ESRCH { return .none }
    return process_wait(process, patience.kill) == 1 ? .silenced : .none
  }

  private func ask(_ suspect: Suspect) -> Fencing {
    guard let command else { return .none }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", command]
    process.environment = ProcessInfo.processInfo.environment.merging([
      "TRACT_NODE": "\(suspect.member.node)",
      "TRACT_INCARNATION": "\(suspect.member.incarnation)",
      "TRACT_HOST": String(suspect.process.host, radix: 16),
      "TRACT_PID": "\(suspect.process.process)",
      "TRACT_STARTED": "\(suspect.process.started)",
      "TRACT_CERTAIN": suspect.isCertain ? "1" : "0",
    ]) { $1 }
    process.standardInput = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return .none }
    let deadline = ContinuousClock.now + .seconds(patience.command)
    while process.isRunning {
      guard ContinuousClock.now < deadline else {
        kill(process.processIdentifier, SIGKILL)
        return .none
      }
      sleep(nanoseconds: 1_000_000)
    }
    return process.terminationReason == .exit && process.terminationStatus == 0
      ? .silenced : .none
  }
}
