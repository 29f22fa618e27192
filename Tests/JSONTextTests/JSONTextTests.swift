// JSON in and out: strict, with positions, and the same bytes for the same value.

import Foundation
import JSONText
import Testing

private func parse(_ text: String) throws(JSONSyntaxError) -> JSONNode {
  try JSONParser.parse(Array(text.utf8))
}

@Suite struct ParserTests {
  @Test(arguments: [
    "null", "true", "[]", "{}", "0", "-1", "1.5", "1e-7", "[1,[2,{\"a\":null}]]",
    #""a\"\\\n\t\u0001é😀""#, "{\"b\":1,\"a\":2}", "9007199254740993", "1e300",
  ]) func roundTrips(_ text: String) throws {
    let once = try parse(text).text(indented: false)
    #expect(try parse(once).text(indented: false) == once)
    #expect(try parse(try parse(text).text(indented: true)).text(indented: false) == once)
  }

  @Test func keepsWhatItReads() throws {
    #expect(try parse("{\"b\":1,\"a\":2.50}").text(indented: false) == "{\"b\":1,\"a\":2.5}")
    #expect(try parse("9007199254740993").text(indented: false) == "9007199254740993")
    #expect(try parse(#""\u00e9\ud83d\ude00\/""#).text(indented: false) == "\"é😀/\"")
  }

  @Test(arguments: [
    ("", 1, 1), ("{", 1, 2), ("[1,]", 1, 4), ("{\"a\":1,}", 1, 8), ("[1\n2]", 2, 1),
    ("{\"a\" 1}", 1, 6), ("01", 1, 2), ("1.", 1, 3), ("+1", 1, 1), (".5", 1, 1), ("NaN", 1, 1),
    ("Infinity", 1, 1), ("'a'", 1, 1), ("\"a", 1, 3), ("\"\\x\"", 1, 3), ("\"\\ud800\"", 1, 8),
    ("[1] x", 1, 5), ("{\"a\":1,\n \"a\":2}", 2, 2), ("// c\n1", 1, 1),
  ]) func refuses(text: String, line: Int, column: Int) {
    let error = #expect(throws: JSONSyntaxError.self) { try parse(text) }
    #expect(error?.line == line, "\(text): \(error?.description ?? "")")
    if let error, error.column != column {
      // Where exactly within a token is a matter of taste; the line and the neighbourhood are not.
      #expect(abs(error.column - column) <= 3, "\(text): \(error)")
    }
  }

  @Test func refusesBadBytes() {
    #expect(throws: JSONSyntaxError.self) { try JSONParser.parse([0x22, 0xFF, 0x22]) }
    #expect(throws: JSONSyntaxError.self) { try JSONParser.parse([0x22, 0x01, 0x22]) }
  }

  @Test func depthHasALimitNotACrash() {
    let deep = String(repeating: "[", count: 100_000)
    #expect(throws: JSONSyntaxError.self) { try parse(deep) }
  }
}

@Suite struct WriterTests {
  @Test func numbersAreShortestAndExact() {
    let values: [Double] = [0.1, 1.0 / 3, 1e22, .leastNonzeroMagnitude, -2.5, 123_456_789_012]
    for value in values {
      let text = JSONValue.number(value).text(indented: false)
      #expect(Double(text) == value)
    }
    #expect(JSONValue.number(0.1).text(indented: false) == "0.1")
    #expect(JSONValue.number(3).text(indented: false) == "3")
    #expect(JSONValue.number(.nan).text(indented: false) == "null")
    #expect(JSONValue.number(-.infinity).text(indented: false) == "null")
  }
}

@Suite struct AtomicFileTests {
  @Test func replacesWholeOrNotAtAll() throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("tract-atomic-\(UInt64.random(in: 0 ... .max))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appendingPathComponent("f").path
    try AtomicFile.write("one", to: path)
    try AtomicFile.write("two", to: path)
    #expect(try AtomicFile.read(path) == Array("two".utf8))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["f"])
    #expect(throws: FileError.self) { try AtomicFile.write("x", to: path + "/g") }
    // A folder in the way: the rename fails, and no temporary file stays.
    let taken = folder.appendingPathComponent("d").path
    try FileManager.default.createDirectory(atPath: taken, withIntermediateDirectories: false)
    #expect(throws: FileError.self) { try AtomicFile.write("x", to: taken) }
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == ["d", "f"])
  }
}
