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
    try write(to: path) { append in append(Array(text.utf8)) }
  }

  /// Writes what `body` appends, piece by piece.
  public static func write(
    to path: String, _ body: (_ append: ([UInt8]) -> Void) -> Void
  ) throws(FileError) {
    let temporary = path + ".tmp-\(getpid())"
    let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard file >= 0 else { throw failure(path) }
    var problem: FileError?
    body { piece in
      guard problem == nil else { return }
      piece.withUnsafeBytes { bytes in
        var written = 0
        while written < bytes.count {
          let count = Foundation.write(file, bytes.baseAddress! + written, bytes.count - written)
          if count < 0 {
            problem = failure(path)
            return
          }
          written += count
        }
      }
    }
    if close(file) != 0, problem == nil { problem = failure(path) }
    if problem == nil, rename(temporary, path) != 0 { problem = failure(path) }
    guard let problem else { return }
    unlink(temporary)
    throw problem
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
