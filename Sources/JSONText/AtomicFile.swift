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

/// Reads and writes files at once.
public enum AtomicFile {
  public static func write(_ text: String, to path: String) throws(FileError) {
    let file = try PartFile(for: path)
    var text = text
    text.withUTF8 { file.write(UnsafeRawBufferPointer($0)) }
    try file.commit()
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
}
