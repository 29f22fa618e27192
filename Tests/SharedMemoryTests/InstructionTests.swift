// The shim by disassembly: each function has the right instruction, on the line of its argument.
//
// No coherent machine shows that a flush went astray. famfs spelt CLWB as bytes that name %rax;
// unoptimised code happens to hold the address there, optimised code does not.

import Foundation
import Testing

/// A C function and all that ways through it may do to memory (see `Tracer`).
struct ShimCase: Sendable, CustomTestStringConvertible {
  var name: String
  /// A C function body; parameters are called a and b.
  var body: String
  var result = false
  var traces: Set<[String]>

  var testDescription: String { name }

  /// A shim function called with the first `parameters` parameters.
  init(_ name: String, _ parameters: Int, result: Bool = false, _ traces: [String]...) {
    let list = ["", "a", "a, b"][parameters]
    self.init(name, "\(result ? "return " : "")\(name)(\(list));", result: result, Set(traces))
  }

  init(_ name: String, _ body: String, result: Bool = false, _ traces: Set<[String]>) {
    (self.name, self.body, self.result, self.traces) = (name, body, result, traces)
  }

  var definition: String {
    "\(result ? "uint64_t" : "void") test_\(name)(void *a, void *b) { \(body) }\n"
  }
}

/// Each word of the line at b stored at its place in the line at a.
private let eightWords = (0..<8).map { word in
  word == 0 ? "movnti *(b) -> a" : "movnti *(b+\(8 * word)) -> a+\(8 * word)"
}

@Suite(.enabled(if: !Toolchain.missing, "no clang, or no llvm-objdump or objdump, was found"))
struct InstructionTests {
  static let shim = [
    ShimCase("cl_flush", 1, ["clflush a"]),
    ShimCase("cl_clflushopt", 1, ["clflushopt a"]),
    ShimCase("cl_clwb", 1, ["clwb a"]),
    ShimCase("cl_flush_unordered", 1, ["clflushopt a"], ["clflush a"]),
    ShimCase("cl_write_back", 1, ["clwb a"], ["clflush a"]),
    ShimCase("cl_fence", 0, ["mfence"]),
    ShimCase("cl_store_fence", 0, ["sfence"]),
    ShimCase("cl_pause", 0, ["pause"]),
    ShimCase("cl_load64", 1, result: true, ["return *(a)"]),
    ShimCase("store64", "cl_store64(a, (uint64_t)b);", [["store b -> a"]]),
    ShimCase("cl_store_line_movnti", 2, eightWords),
    ShimCase("cl_store_line_movdir64b", 2, ["movdir64b *(b) -> a"]),
    ShimCase("cl_store_line", 2, ["movdir64b *(b) -> a"], eightWords),
    // The second argument's line, and not where it starts.
    ShimCase("second", "cl_flush((char *)b + 128);", [["clflush b+128"]]),
    // The two accesses that the store is made of: nothing moves over the fence.
    ShimCase(
      "fresh", "cl_flush(a); cl_fence(); return cl_load64(a);", result: true,
      [["clflush a", "mfence", "return *(a)"]]),
    ShimCase(
      "publish", "cl_store64(a, (uint64_t)b); cl_clwb(a); cl_store_fence(); cl_store64(b, 1);",
      [["store b -> a", "clwb a", "sfence", "store ? -> b"]]),
  ]

  /// Code that pretends to do what its case says, and what the tracer must find at -O2 instead.
  static let wrong: [(code: ShimCase, found: Set<[String]>)] = [
    // As famfs has it: the line at whatever is left in %rax.
    (
      ShimCase(
        "famfs_clwb",
        #"__asm__ volatile(".byte 0x66,0x0f,0xae,0x30" : "+m"(*(volatile char *)a));"#,
        [["clwb a"]]),
      [["clwb ?"]]
    ),
    (ShimCase("other_argument", "cl_clwb(b);", [["clwb a"]]), [["clwb b"]]),
    (ShimCase("next_line", "cl_clwb((char *)a + 64);", [["clwb a"]]), [["clwb a+64"]]),
    (ShimCase("pointer_itself", "cl_clwb(&a);", [["clwb a"]]), [["clwb stack-8"]]),
    (ShimCase("other_instruction", "cl_clwb(a);", [["clflush a"]]), [["clwb a"]]),
    (
      ShimCase("from_and_to", "cl_store_line_movdir64b(b, a);", [["movdir64b *(b) -> a"]]),
      [["movdir64b *(a) -> b"]]
    ),
    (
      ShimCase("shifted", "cl_store_line_movnti(a, (uint64_t *)b + 1);", [eightWords]),
      [(0..<8).map { "movnti *(b+\(8 * $0 + 8)) -> a\($0 == 0 ? "" : "+\(8 * $0)")" }]
    ),
    (ShimCase("weak_fence", "cl_store_fence();", [["mfence"]]), [["sfence"]]),
    (
      ShimCase("early_fence", "cl_fence(); cl_flush(a);", [["clflush a", "mfence"]]),
      [["mfence", "clflush a"]]
    ),
    (ShimCase("no_choice", "cl_flush(a);", [["clflushopt a"], ["clflush a"]]), [["clflush a"]]),
  ]

  private static let listings: [Result<Listing, any Error>] = [false, true].map { optimised in
    Result {
      let functions = (shim + wrong.map(\.code)).map(\.definition).joined()
      return Listing(
        try Toolchain.assembly(
          of: "#include \"CCacheLine.h\"\n\(functions)", target: "x86_64", optimised: optimised,
          throughObject: true))
    }
  }

  private func traces(_ item: ShimCase, optimised: Bool) throws -> Set<[String]> {
    let listing = try Self.listings[optimised ? 1 : 0].get()
    return try Tracer.traces(of: "test_\(item.name)", in: listing, result: item.result)
  }

  @Test(arguments: shim, [false, true])
  func theRightInstructionOnTheRightLine(_ item: ShimCase, optimised: Bool) throws {
    #expect(try traces(item, optimised: optimised) == item.traces)
  }

  @Test(arguments: wrong)
  func wrongCodeIsSeen(_ code: ShimCase, found: Set<[String]>) throws {
    let traces = try traces(code, optimised: true)
    #expect(traces != code.traces)
    #expect(traces == found)
  }

  /// Loops cannot be traced; in the order of the code, what must come before the fence does.
  @Test(arguments: [
    ("cl_flush_range", ["clflush", "clflushopt"], []),
    ("cl_copy_out", ["movntdq", "clflush", "clflushopt"], ["mfence"]),
    ("cl_copy_in", ["clflush", "clflushopt"], ["mfence", "memcpy"]),
  ])
  func payloadIsFlushedBeforeTheFence(
    _ function: String, before: [String], end: [String]
  ) throws {
    let code = try body(of: function, target: "x86_64", optimised: true, source: payloadSource())
    let found = code.flatMap { line in
      (before + end).filter { name in
        line.split { !$0.isLetter && !$0.isNumber }.contains(Substring(name))
      }
    }
    let tail = Array(found.suffix(end.count))
    let head = found.dropLast(end.count).filter { $0 != "memcpy" }
    #expect(tail == end)
    #expect(Set(head) == Set(before))
  }

  /// Mnemonics and, where optimised code leaves the argument in its register, the operand.
  @Test(arguments: [
    ("cl_flush", "a", ["dc civac, x0"]),
    ("cl_flush_unordered", "a", ["dc civac, x0"]),
    ("cl_write_back", "a", ["dc cvac, x0"]),
    ("cl_fence", "", ["dsb sy"]),
    ("cl_store_fence", "", ["dsb sy"]),
    ("cl_pause", "", ["yield"]),
    ("cl_store_line", "a, b", ["dc civac, x0"]),
  ])
  func arm64HasItsInstructions(
    _ function: String, arguments: String, expected: [String]
  ) throws {
    let source =
      "#include \"CCacheLine.h\"\nvoid test(void *a, void *b) { \(function)(\(arguments)); }\n"
    let special = /^(dc|dsb|yield)\b/
    let fast = try body(of: "test", target: "aarch64", optimised: true, source: source)
    #expect(fast.filter { $0.contains(special) } == expected)
    // Unoptimised, the function stands by itself or calls another.
    let slow = try Toolchain.assembly(
      of: source, target: "aarch64", optimised: false, throughObject: false)
    let anyRegister = try Regex(expected[0].replacing("x0", with: "x\\d+"))
    #expect(Self.lines(slow).contains { $0.wholeMatch(of: anyRegister) != nil })
  }

  @Test func arm64CopiesFlushBeforeTheFence() throws {
    for (function, last) in [("cl_copy_out", "dsb sy"), ("cl_copy_in", "b memcpy")] {
      let code = try body(of: function, target: "aarch64", optimised: true, source: payloadSource())
      let flush = code.firstIndex { $0.hasPrefix("dc civac, x") }
      let fence = code.firstIndex(of: "dsb sy")
      #expect(try #require(flush) < #require(fence))
      #expect(try #require(fence) <= #require(code.firstIndex(of: last)))
    }
  }

  private func payloadSource() throws -> String {
    try String(contentsOf: Toolchain.shim.appendingPathComponent("CCacheLine.c"), encoding: .utf8)
  }

  /// The lines of one function's assembly.
  private func body(
    of function: String, target: String, optimised: Bool, source: String
  ) throws -> [String] {
    let text = try Toolchain.assembly(
      of: source, target: target, optimised: optimised, throughObject: false)
    let lines = Self.lines(text)
    let start = try #require(lines.firstIndex { $0.hasPrefix("\(function):") })
    return Array(lines[start...].prefix { !$0.hasPrefix(".size") })
  }

  private static func lines(_ text: String) -> [String] {
    text.split(whereSeparator: \.isNewline).map { line in
      line.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
  }
}
