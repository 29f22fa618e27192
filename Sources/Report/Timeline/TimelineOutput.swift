// The file behind a timeline: a JSON array that grows, whole or not there, compressed if so named.

import Foundation
import JSONText

/// Appends events to a file beside its place, which it takes when it is closed.
final class TimelineOutput {
  private let path: String
  private let file: PartFile
  private var compressor: (process: Process, input: FileHandle)?
  private var buffer = Data()
  private var isFirst = true
  private var problem: FileError?

  /// - Parameter path: with the ending `.gz` the file is compressed by gzip.
  init(path: String) throws(FileError) {
    self.path = path
    file = try PartFile(for: path)
    if path.hasSuffix(".gz") {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      process.arguments = ["gzip", "-n", "-c"]
      let pipe = Pipe()
      process.standardInput = pipe
      process.standardOutput = file.handle
      do {
        try process.run()
      } catch {
        throw FileError(path: path, action: "compress", reason: "gzip cannot be started")
      }
      compressor = (process, pipe.fileHandleForWriting)
    }
    buffer.append(contentsOf: "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n".utf8)
  }

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
    if let compressor {
      try? compressor.input.close()
      compressor.process.waitUntilExit()
      if compressor.process.terminationStatus != 0, problem == nil {
        problem = FileError(path: path, action: "compress", reason: "gzip fails")
      }
    }
    if let problem { throw problem }
    try file.commit()
  }

  private func flush() {
    defer { buffer.removeAll(keepingCapacity: true) }
    guard let compressor else { return buffer.withUnsafeBytes { file.write($0) } }
    guard problem == nil else { return }
    do {
      try compressor.input.write(contentsOf: buffer)
    } catch {
      problem = FileError(path: path, action: "write", reason: error.localizedDescription)
    }
  }
}
