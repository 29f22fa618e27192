// Files that are written whole or not at all.

import Foundation

/// A file could not be written or read, and why.
public struct FileError: Error, CustomStringConvertible {
  public var path: String
  public var action: String
  public var reason: String

  public init(path: String, action: String, reason: String) {
    self.path = path
    self.action = action
    self.reason = reason
  }

  public var description: String { "cannot \(action) \(path): \(reason)" }
}

/// Writes through a temporary file in the same folder and a rename.
public enum AtomicFile {
  public static func write(_ text: String, to path: String) throws(FileError) {
    let temporary = path + ".tmp-\(getpid())"
    let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard file >= 0 else { throw failure(path) }
    var text = text
    let complete = text.withUTF8 { bytes in
      var written = 0
      while written < bytes.count {
        let count = Foundation.write(file, bytes.baseAddress! + written, bytes.count - written)
        if count < 0 { return false }
        written += count
      }
      return true
    }
    guard complete, close(file) == 0, rename(temporary, path) == 0 else {
      let error = failure(path)
      unlink(temporary)
      throw error
    }
  }

  /// All bytes of a file.
  public static func read(_ path: String) throws(FileError) -> [UInt8] {
    guard let data = FileManager.default.contents(atPath: path) else {
      let exists = FileManager.default.fileExists(atPath: path)
      throw FileError(
        path: path, action: "read",
        reason: exists ? "it is a folder or access is denied" : "no such file")
    }
    return [UInt8](data)
  }

  private static func failure(_ path: String) -> FileError {
    FileError(path: path, action: "write", reason: String(cString: strerror(errno)))
  }
}
