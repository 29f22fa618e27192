// A trace's bytes, line by line: decompressed, and bounded in whatever a file may hold.

import Foundation
import JSONText

/// Reads lines of a file, plain, `.gz` or `.xz`, holding one of them at a time.
final class TraceInput {
  /// The longest line: some thousand requests of a session with their ids.
  static var lineLimit: Int { 64 << 20 }
  /// The most bytes of one trace, decompressed.
  static var sizeLimit: Int { 4 << 30 }
  /// Memory that a decompressor may ask for.
  private static var decompressorMemory: String { "512MiB" }

  let path: String
  private let file: FileHandle
  private let process: Process?
  private let program: String
  private var buffer: [UInt8] = []
  /// Where the next line begins in `buffer`.
  private var position = 0
  private var isAtEnd = false
  private var total = 0
  /// Number of the line read last, from 1.
  private(set) var line = 0

  /// - Throws: what keeps the file from being read.
  init(_ path: String) throws(WorkloadError) {
    self.path = path
    guard let plain = FileHandle(forReadingAtPath: path), !Self.isFolder(path) else {
      let reason =
        FileManager.default.fileExists(atPath: path)
        ? "it is a folder or access is denied" : "no such file"
      throw Self.failure(path, 0, "cannot be read: \(reason)")
    }
    let arguments: [String]
    if path.hasSuffix(".xz") {
      program = "xz"
      arguments = ["xz", "-dc", "--memlimit-decompress=\(Self.decompressorMemory)"]
    } else if path.hasSuffix(".gz") {
      program = "gzip"
      arguments = ["gzip", "-dc"]
    } else {
      (program, file, process) = ("", plain, nil)
      return
    }
    let child = Process()
    child.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    child.arguments = arguments
    let output = Pipe()
    child.standardInput = plain
    child.standardOutput = output
    child.standardError = FileHandle.nullDevice
    do {
      try child.run()
    } catch {
      throw Self.failure(path, 0, "cannot be decompressed: \(error.localizedDescription)")
    }
    (file, process) = (output.fileHandleForReading, child)
  }

  deinit {
    try? file.close()
    guard let process, process.isRunning else { return }
    process.terminate()
    process.waitUntilExit()
  }

  static func isFolder(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
      && isFolder.boolValue
  }

  private static func failure(_ path: String, _ line: Int, _ message: String) -> WorkloadError {
    WorkloadError([Problem(file: path, line: line, path: "", message: message)])
  }

  /// The next line that holds more than blanks, without its end; nil after the last.
  func next() throws(WorkloadError) -> ArraySlice<UInt8>? {
    while let text = try nextLine() {
      if text.contains(where: { $0 != 0x20 && $0 != 0x0D && $0 != 0x09 }) {
        return text.last == 0x0D ? text.dropLast() : text
      }
    }
    return nil
  }

  private func nextLine() throws(WorkloadError) -> ArraySlice<UInt8>? {
    var searched = position
    while true {
      if let end = buffer[searched...].firstIndex(of: 0x0A) {
        defer { position = end + 1 }
        line += 1
        return buffer[position..<end]
      }
      searched = buffer.count
      guard buffer.count - position <= Self.lineLimit else {
        throw Self.failure(
          path, line + 1, "is longer than \(Self.lineLimit >> 20) MiB; a line is one request")
      }
      if isAtEnd {
        guard position < buffer.count else { return nil }
        defer { position = buffer.count }
        line += 1
        return buffer[position...]
      }
      searched -= position
      try fill()
    }
  }

  /// All that is left, as one text.
  /// - Throws: also if it is longer than a line may be.
  func rest() throws(WorkloadError) -> ArraySlice<UInt8> {
    while !isAtEnd {
      guard buffer.count - position <= Self.lineLimit else {
        throw Self.failure(path, 0, "is larger than \(Self.lineLimit >> 20) MiB")
      }
      try fill()
    }
    defer { position = buffer.count }
    line += 1
    return buffer[position...]
  }

  /// Reads on; what has been handed out goes.
  private func fill() throws(WorkloadError) {
    buffer.removeFirst(position)
    position = 0
    let data: Data
    do {
      data = try file.read(upToCount: 1 << 18) ?? Data()
    } catch {
      throw Self.failure(path, 0, "cannot be read: \(error.localizedDescription)")
    }
    guard data.isEmpty else {
      buffer.append(contentsOf: data)
      total += data.count
      guard total <= Self.sizeLimit else {
        throw Self.failure(
          path, 0, "holds more than \(Self.sizeLimit >> 30) GiB; take a part of it")
      }
      return
    }
    isAtEnd = true
    guard let process else { return }
    process.waitUntilExit()
    switch process.terminationStatus {
    case 0: return
    case 127:
      throw Self.failure(
        path, 0, "needs the program '\(program)'; install it or decompress the file")
    default:
      throw Self.failure(
        path, 0, "'\(program) -dc' fails: the file is truncated or not in its format")
    }
  }
}
