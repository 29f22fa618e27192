// `tract-pool manager`: the lock manager of one seat, until it is told to end.

import ArgumentParser
import Foundation
import PoolBench
import TractStore

/// How long silence may last; the same for all who use a pool.
struct Lease: ParsableArguments {
  @Option(help: "Milliseconds of silence after which a member is stopped; the same everywhere.")
  var leaseMs = 200

  func validate() throws {
    guard (10...600_000).contains(leaseMs) else {
      throw ValidationError("--lease-ms must be 10 to 600000")
    }
  }

  var nanoseconds: UInt64 { UInt64(leaseMs) * 1_000_000 }
  var arguments: [String] { ["--lease-ms", "\(leaseMs)"] }
}

struct ManagerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "manager", abstract: "Grant locks and watch over the nodes of a pool.",
    discussion: """
      One process for each seat, on any host; all but the ruling one stand by and take over when \
      it falls silent. A node that is silent for a lease is stopped before its locks are freed: a \
      process of this host is killed, for any other the fence command is run by the shell with \
      TRACT_NODE, TRACT_INCARNATION, TRACT_HOST, TRACT_PID, TRACT_STARTED and TRACT_CERTAIN in \
      its environment (0: the process may be that of an earlier life; stop the whole host). Exit \
      status 0 must mean that nothing of the node can reach the pool any more. Without proof the \
      node's locks stay held. Ends at SIGTERM or SIGINT.
      """)

  @Argument(help: "File, shm:/name or DAX device with a pool.") var path: String
  @Option(help: "Seat of this manager, from 0; one process on one host for each.") var seat = 0
  @OptionGroup var lease: Lease
  @Option(help: "Shell command that stops a node of another host; exit status 0: it has.")
  var fenceCommand: String?
  @OptionGroup var access: PoolAccess
  /// For `stress` and `bench`: ends with standard input.
  @Flag(help: .hidden) var supervised = false
  @Option(help: .hidden) var dieAfter: Int?
  @Option(help: .hidden) var pin: Int?

  func run() throws {
    let pool = try OpenPool(path, exclusively: false, access)
    let geometry = pool.geometry
    guard (0..<geometry.seats).contains(seat) else {
      throw ValidationError("'--seat \(seat)': the pool has seats 0 to \(geometry.seats - 1)")
    }
    if supervised {
      endWithParent()
    } else if !pool.memory.share() {
      throw Exit.fail(Exit.unavailable, "\(path): another process has it for itself")
    }
    guard pool.memory.takePart(Part.manager(seat: seat)) else {
      throw Exit.fail(
        Exit.unavailable, "\(path): seat \(seat) has a manager on this host; choose another --seat")
    }
    if let pin { PoolBench.pin(toProcessor: pin) }
    let process = try currentProcess()
    // Pending signals are looked for between two steps, so that none interrupts one.
    var signals = sigset_t()
    sigemptyset(&signals)
    for signal in [SIGTERM, SIGINT] { sigaddset(&signals, signal) }
    sigprocmask(SIG_BLOCK, &signals, nil)
    var manager = PoolManager(
      FaultyMemory(pool.memory, pointsLeft: dieAfter), geometry, seat: seat,
      leaseNanoseconds: lease.nanoseconds, fencer: Fencer(process, command: fenceCommand),
      process: process)
    if !supervised { say("stands by") }
    manager.run(
      until: {
        var pending = sigset_t()
        sigpending(&pending)
        return sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1
          || supervised && inputHasEnded()
      },
      tell: { event in if !supervised { say("\(event)") } })
  }

  private func say(_ text: String) {
    FileHandle.standardOutput.write(Data("seat \(seat) \(text)\n".utf8))
  }
}

/// This process, or the end of the command where the system does not tell.
func currentProcess() throws -> ProcessIdentity {
  guard let process = ProcessIdentity.current() else {
    throw Exit.fail(Exit.unavailable, "/proc does not tell who this process is; mount it")
  }
  return process
}
