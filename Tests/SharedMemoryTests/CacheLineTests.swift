// The shim as this processor runs it: choices, line stores and ranges. A coherent machine cannot
// show whether lines reach the device; `InstructionTests` looks at the instructions.

import CCacheLine
import Foundation
import Testing

@Suite struct CacheLineTests {
  /// A few lines of memory, aligned, filled with 0xEE.
  private final class Lines {
    static let count = 8
    let bytes = UnsafeMutableRawBufferPointer.allocate(
      byteCount: count * Int(CL_LINE_BYTES), alignment: Int(CL_LINE_BYTES))

    init() { fill() }
    deinit { bytes.deallocate() }

    func fill() { for i in bytes.indices { bytes[i] = 0xEE } }
    func at(_ offset: Int) -> UnsafeMutableRawPointer { bytes.baseAddress! + offset }
  }

  #if arch(x86_64)
    @Test(.enabled(if: FileManager.default.isReadableFile(atPath: "/proc/cpuinfo")))
    func choicesAgreeWithTheKernel() throws {
      let text = try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)
      let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("flags") })
      let flags = Set(line.split(whereSeparator: \.isWhitespace))
      #expect((cl_has_clflushopt() != 0) == flags.contains("clflushopt"))
      #expect((cl_has_clwb() != 0) == flags.contains("clwb"))
      #expect((cl_has_movdir64b() != 0) == flags.contains("movdir64b"))
      #expect(cl_has_line_store() != 0)
    }
  #else
    @Test func nothingIsChosen() {
      #expect(cl_has_clflushopt() + cl_has_clwb() + cl_has_movdir64b() + cl_has_line_store() == 0)
    }
  #endif

  @Test func linesStoredReadBack() {
    typealias Store = (UnsafeMutableRawPointer, UnsafePointer<UInt64>) -> Void
    var stores: [(String, Store)] = [("chosen", cl_store_line)]
    #if arch(x86_64)
      stores.append(("movnti", cl_store_line_movnti))
      if cl_has_movdir64b() != 0 { stores.append(("movdir64b", cl_store_line_movdir64b)) }
    #endif
    let words = (1...8).map { UInt64($0) << 56 | UInt64($0) }
    for (name, store) in stores {
      let lines = Lines()
      store(lines.at(64), words)
      cl_fence()
      let read = (0..<8).map { cl_load64(lines.at(64 + 8 * $0)) }
      #expect(read == words, "\(name)")
      for i in lines.bytes.indices where !(64..<128).contains(i) {
        #expect(lines.bytes[i] == 0xEE, "\(name), byte \(i)")
      }
    }
  }

  /// Every flush leaves the contents as they are, and may be used on this processor.
  @Test func flushesKeepContents() {
    let lines = Lines()
    var flushes: [(UnsafeRawPointer) -> Void] = [cl_flush, cl_flush_unordered, cl_write_back]
    #if arch(x86_64)
      if cl_has_clflushopt() != 0 { flushes.append(cl_clflushopt) }
      if cl_has_clwb() != 0 { flushes.append(cl_clwb) }
    #endif
    for (i, flush) in flushes.enumerated() {
      cl_store64(lines.at(8), UInt64(i))
      flush(lines.at(8))
      cl_store_fence()
      #expect(cl_load64(lines.at(8)) == UInt64(i))
    }
  }

  /// Against the lines of every byte in the range.
  @Test func rangesCoverTheirLines() {
    let lines = Lines()
    for start in 64..<192 {
      for bytes in 0...140 {
        let touched = Set((start..<start + bytes).map { UInt(bitPattern: lines.at($0)) / 64 })
        #expect(cl_line_count(lines.at(start), bytes) == touched.count, "\(start), \(bytes)")
        guard let first = touched.min() else { continue }
        #expect(cl_line_of(lines.at(start)) == first * 64, "\(start), \(bytes)")
      }
    }
  }

  /// Parts of lines before and after whole ones, from sources of any alignment.
  @Test func copiesMoveTheirBytesAndNoOthers() {
    let (shared, source, copy) = (Lines(), Lines(), Lines())
    for i in source.bytes.indices { source.bytes[i] = UInt8(truncatingIfNeeded: i &* 7) }
    var wrong = 0
    for start in 64..<128 {
      for bytes in [0, 1, 7, 8, 63, 64, 65, 127, 128, 129, 191, 192, 200] {
        shared.fill()
        copy.fill()
        cl_copy_out(shared.at(start), source.at(bytes % 17), bytes)
        cl_copy_in(copy.at(start % 13), shared.at(start), bytes)
        for i in shared.bytes.indices {
          let inside = start..<start + bytes ~= i
          let expected = inside ? source.bytes[bytes % 17 + i - start] : 0xEE
          if shared.bytes[i] != expected { wrong += 1 }
          let target = start % 13 + i - start
          if inside, copy.bytes[target] != expected { wrong += 1 }
        }
        if copy.bytes[start % 13 + bytes] != 0xEE { wrong += 1 }
      }
    }
    #expect(wrong == 0)
  }
}
