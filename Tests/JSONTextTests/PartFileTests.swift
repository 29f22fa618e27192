// Files are there whole or not at all.

import Foundation
import JSONText
import Testing

@Suite struct PartFileTests {
  private let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("tract-part-\(UUID().uuidString)").path

  private func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  }

  private func write(_ text: String, to file: PartFile) {
    Array(text.utf8).withUnsafeBytes { file.write($0) }
  }

  @Test func partsBecomeOneFileWhenCommitted() throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let long = String(repeating: "x", count: 3 << 20)
    do {
      let (first, second) = (
        try PartFile(for: folder + "/f", part: 0), try PartFile(for: folder + "/f", part: 1)
      )
      write("a\n", to: first)
      write(long, to: second)
      #expect(try names().count == 2 && !names().contains("f"))
      first.write(contentsOf: second)
      write("z\n", to: first)
      try first.commit()
    }
    #expect(try names() == ["f"])
    #expect(try AtomicFile.read(folder + "/f") == Array("a\n\(long)z\n".utf8))
  }

  @Test func whatIsNotCommittedLeavesTheOldFile() throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try AtomicFile.write("old", to: folder + "/f")
    do { write("new", to: try PartFile(for: folder + "/f")) }
    #expect(try names() == ["f"])
    #expect(try AtomicFile.read(folder + "/f") == Array("old".utf8))
    #expect(throws: FileError.self) { try PartFile(for: folder + "/none/f") }
  }
}
