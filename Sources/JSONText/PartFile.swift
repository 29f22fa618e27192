// A file that grows beside its place and takes it when it is whole.

import Foundation

/// Bytes for a file that is there whole or not at all.
///
/// They go into a temporary file in the same folder, which `commit` renames. What is not committed is
/// removed. A write that fails is told by `commit`. Not for several threads at a time.
public final class PartFile: @unchecked Sendable {
  private let path: String
  private let temporary: String
  private let descriptor: Int32
  private var problem: FileError?
  private var isCommitted = false

  /// - Parameter part: tells several parts of one file apart.
  /// - Throws: if the folder takes no file.
  public init(for path: String, part: Int? = nil) throws(FileError) {
    self.path = path
    temporary = path + ".tmp-\(getpid())" + (part.map { "-\($0)" } ?? "")
    descriptor = open(temporary, O_RDWR | O_CREAT | O_TRUNC, 0o644)
    guard descriptor >= 0 else { throw Self.failure(path) }
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    if descriptor >= 0, !isCommitted { unlink(temporary) }
  }

  /// The file as a child process may write it.
  public var handle: FileHandle {
    FileHandle(fileDescriptor: descriptor, closeOnDealloc: false)
  }

  public func write(_ bytes: UnsafeRawBufferPointer) {
    var written = 0
    while problem == nil, written < bytes.count {
      let count = Foundation.write(
        descriptor, bytes.baseAddress! + written, bytes.count - written)
      if count < 0 {
        problem = Self.failure(path)
      } else {
        written += count
      }
    }
  }

  /// Writes all bytes of another one.
  public func write(contentsOf other: PartFile) {
    problem = problem ?? other.problem
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
    defer { piece.deallocate() }
    var offset: off_t = 0
    while problem == nil {
      let count = pread(other.descriptor, piece.baseAddress, piece.count, offset)
      guard count != 0 else { return }
      if count < 0 {
        problem = Self.failure(path)
      } else {
        write(UnsafeRawBufferPointer(rebasing: piece[..<count]))
        offset += off_t(count)
      }
    }
  }

  /// Gives the file its place.
  /// - Throws: the first thing that went wrong; there is no file then, or the one that was there.
  public func commit() throws(FileError) {
    if problem == nil, rename(temporary, path) != 0 { problem = Self.failure(path) }
    if let problem { throw problem }
    isCommitted = true
  }

  private static func failure(_ path: String) -> FileError {
    FileError(path: path, action: "write", reason: String(cString: strerror(errno)))
  }
}
