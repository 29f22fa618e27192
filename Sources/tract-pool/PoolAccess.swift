// Options by which a command may be told to open what it would refuse.

import ArgumentParser
import SharedMemory

struct PoolAccess: ParsableArguments {
  @Flag(help: "Open the pool even if its path is a symbolic link.") var followLinks = false
  @Flag(help: "Open the pool even if it belongs to another user.") var anyOwner = false

  var trust: MappedMemory.Trust {
    MappedMemory.Trust(followsLinks: followLinks, anyOwner: anyOwner)
  }

  /// For a process that opens the same pool.
  var arguments: [String] {
    (followLinks ? ["--follow-links"] : []) + (anyOwner ? ["--any-owner"] : [])
  }
}
