// The file behind a timeline: a JSON array that grows, whole or not there, compressed if so named.

import Foundation
import JSONText

/// Appends events to a file beside its place, which it takes when it is closed.
final class TimelineOutput {
  private let path: String
  private let temporary: String
  private let file: FileHandle
  private var compressor: Process?
  private var buffer = Data()
  private var isFirst = true
  private var problem: FileError?

  /// - Parameter path: with the ending `.gz` the file is compressed by gzip.
  init(path: String) throws(FileError) {
    self.path = path
    temporary = "\(path).\(ProcessInfo.processInfo.processIdentifier).part"
    guard FileManager.default.createFile(atPath: temporary, contents: nil),
      let target = FileHandle(forWritingAtPath: temporary)
    else { throw FileError(path: path, action: "create", reason: "its folder is not writable") }
    if path.hasSuffix(".gz") {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      process.arguments = ["gzip", "-n", "-c"]
      let pipe = Pipe()
      process.standardInput = pipe
      process.standardOutput = target
      do {
        try process.run()
      } catch {
        try? FileManager.default.removeItem(atPath: temporary)
        throw FileError(path: path, action: "compress", reason: "gzip cannot be started")
      }
      compressor = process
      file = pipe.fileHandleForWriting
    } else {
      file = target
    }
    buffer.append(contentsOf: "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n".utf8)
  }

  deinit { if FileManager.default.fileExists(atPath: temporary) { discard() } }

  /// Appends one event; a failure is told by `close`.
  func write(_ event: String) {
    if !isFirst { buffer.append(contentsOf: ",\n".utf8) }
    isFirst = false
    buffer.append(contentsOf: event.utf8)
    if buffer.count > 1 << 20 { flush() }
  }

  func close() throws(FileError) {
    buffer.append(contentsOf: "\n]}\n".utf8)
    flush()
    try? file.close()
    if let compressor {
      compressor.waitUntilExit()
      if compressor.terminationStatus != 0, problem == nil {
        problem = FileError(path: path, action: "compress", reason: "gzip fails")
      }
    }
    if problem == nil, rename(temporary, path) != 0 {
      problem = FileError(path: path, action: "write", reason: String(cString: strerror(errno)))
    }
    guard let problem else { return }
    discard()
    throw problem
  }

  private func flush() {
    defer { buffer.removeAll(keepingCapacity: true) }
    guard problem == nil else { return }
    do {
      try file.write(contentsOf: buffer)
    } catch {
      problem = FileError(path: path, action: "write", reason: error.localizedDescription)
    }
  }

  private func discard() { try? FileManager.default.removeItem(atPath: temporary) }
}
