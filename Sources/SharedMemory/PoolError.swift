// Why shared memory could not be opened or created, in words a person can act on.

import Glibc

/// A region could not be mapped.
public struct PoolError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What could not be done.
  public enum Action: String, Hashable, Sendable {
    case open
    case create
    case size
    case map
  }

  public var action: Action
  public var path: String
  /// The operating system's words, or ours.
  public var reason: String
  /// What to try.
  public var remedy: String

  public init(_ action: Action, path: String, reason: String, remedy: String) {
    self.action = action
    self.path = path
    self.reason = reason
    self.remedy = remedy
  }

  /// From `errno` as the failed call left it.
  public init(_ action: Action, path: String, code: Int32) {
    let remedy =
      switch code {
      case ENOENT: "create it first, for example with `tract-pool create`"
      case EEXIST: "remove it or choose another name"
      case EACCES, EPERM: "run as a user who may read and write it"
      case ENOSPC, EFBIG: "choose a smaller size or free some space"
      case ENOMEM: "choose a smaller size, or raise the address-space limit (ulimit -v)"
      case ELOOP:
        "it is a symbolic link: give what it points to, or allow links (--follow-links) if you "
          + "trust who made it"
      case EISDIR, ENXIO, ENODEV: Self.whatToGive
      case EINVAL where path.hasPrefix("/dev/"):
        "a DAX device wants whole alignment units (2 MiB or 1 GiB); see `daxctl list`"
      default: "check the path"
      }
    self.init(action, path: path, reason: String(cString: strerror(code)), remedy: remedy)
  }

  /// What a pool may lie in.
  static var whatToGive: String { "give a DAX device (/dev/dax…), a file or shm:/name" }

  public var description: String { "cannot \(action.rawValue) \(path): \(reason); \(remedy)" }
}
