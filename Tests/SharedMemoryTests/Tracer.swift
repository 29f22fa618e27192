// Follows values through disassembled x86-64 code, to tell which memory an instruction touches.

/// An AT&T disassembly, of GNU's or of LLVM's objdump.
struct Listing {
  struct Instruction {
    var name: String
    var operands: [String]
    var next: Int
  }

  private(set) var functions: [String: Int] = [:]
  private(set) var instructions: [Int: Instruction] = [:]

  init(_ text: String) {
    var previous: Int?
    for line in text.split(whereSeparator: \.isNewline) {
      // "0000000000000010 <name>:" begins a function, "  10: <tab>name operands" is in it.
      if let name = line.firstMatch(of: /^([0-9a-f]+) <(.+)>:$/) {
        functions[String(name.2)] = Int(name.1, radix: 16)
      } else if let found = line.firstMatch(of: /^\s*([0-9a-f]+):\s+(\S+)\s*([^#<]*)/),
        let address = Int(found.1, radix: 16)
      {
        if let previous { instructions[previous]?.next = address }
        previous = address
        instructions[address] = Instruction(
          name: String(found.2), operands: Self.operands(found.3), next: address)
      }
    }
  }

  /// Splits at the commas outside parentheses.
  private static func operands(_ text: Substring) -> [String] {
    var (parts, depth) = ([""], 0)
    for character in text where !character.isWhitespace {
      if character == "(" { depth += 1 }
      if character == ")" { depth -= 1 }
      if character == ",", depth == 0 {
        parts.append("")
      } else {
        parts[parts.count - 1].append(character)
      }
    }
    return parts == [""] ? [] : parts
  }
}

/// One way through a function, as what it does to memory that its arguments point to.
///
/// An argument is called a, b, …; `clflush a+64` touches the line 64 bytes after where the first
/// points, `movnti *(b+8) -> a+8` stores there the word that stands 8 bytes after the second.
struct Tracer {
  /// A place in memory; nil base: somewhere that no argument points to.
  private struct Place: Hashable {
    var base: String?
    var offset = 0

    var text: String {
      guard let base else { return "?" }
      return offset == 0 ? base : "\(base)\(offset < 0 ? "" : "+")\(offset)"
    }
  }

  private enum Value: Hashable {
    case place(Place)
    case content(Place)
    case unknown

    var text: String {
      switch self {
      case .place(let place): place.text
      case .content(let place): "*(\(place.text))"
      case .unknown: "?"
      }
    }
  }

  private static let stack = "stack"
  private static let returnedTo = -1
  /// Where the System V ABI passes integers, volume AMD64, section 3.2.3.
  private static let arguments = [("rdi", "a"), ("rsi", "b"), ("rdx", "c"), ("rcx", "d")]

  private let listing: Listing
  private var registers: [String: Value]
  private var slots: [Int: Value] = [:]
  private var returns = [Self.returnedTo]
  private var events: [String] = []
  private var steps = 0

  struct Failure: Error { var what: String }

  /// All ways through `function`, with what it returns at the end if `result`.
  static func traces(
    of function: String, in listing: Listing, result: Bool
  ) throws -> Set<[String]> {
    guard let start = listing.functions[function] else {
      throw Failure(what: "no function \(function)")
    }
    var (open, ended) = ([(start, Tracer(listing))], Set<[String]>())
    while let (address, tracer) = open.popLast() {
      var (address, tracer) = (address, tracer)
      while address != returnedTo {
        if let branch = try tracer.step(&address) { open.append((branch, tracer)) }
      }
      if result { tracer.events.append("return \((tracer.registers["rax"] ?? .unknown).text)") }
      ended.insert(tracer.events)
    }
    return ended
  }

  private init(_ listing: Listing) {
    self.listing = listing
    registers = ["rsp": .place(Place(base: Self.stack))]
    for (register, name) in Self.arguments { registers[register] = .place(Place(base: name)) }
  }

  /// Takes one instruction; gives where a conditional jump may also lead.
  private mutating func step(_ address: inout Int) throws -> Int? {
    guard let instruction = listing.instructions[address] else {
      throw Failure(what: "ran out of the code at \(address)")
    }
    steps += 1
    guard steps < 10_000 else { throw Failure(what: "loops cannot be traced") }
    address = instruction.next
    let operands = instruction.operands
    switch instruction.name {
    case "ret", "retq": address = returns.removeLast()
    case "jmp", "jmpq": address = try target(operands)
    case "call", "callq":
      returns.append(address)
      address = try target(operands)
    case let name where name.hasPrefix("j"): return try target(operands)
    case "push", "pushq":
      moveStack(-8)
      write(value(operands[0]), to: "(%rsp)")
    case "pop", "popq":
      write(value("(%rsp)"), to: operands[0])
      moveStack(8)
    case "mov", "movq": write(value(operands[0]), to: operands[1])
    case "lea", "leaq": write(.place(place(operands[0])), to: operands[1])
    case "add", "addq", "sub", "subq":
      let sign = instruction.name.hasPrefix("sub") ? -1 : 1
      write(sum(value(operands[1]), operands[0], sign), to: operands[1])
    case "clflush", "clflushopt", "clwb":
      events.append("\(instruction.name) \(place(operands[0]).text)")
    case "movnti", "movntiq":
      events.append("movnti \(value(operands[0]).text) -> \(place(operands[1]).text)")
    case "movdir64b":
      events.append("movdir64b *(\(place(operands[0]).text)) -> \(value(operands[1]).text)")
    case "mfence", "sfence", "lfence", "pause": events.append(instruction.name)
    case let name where name.hasPrefix("cmp") || name.hasPrefix("test"): break
    case let name where name.contains("nop") || name.hasPrefix("endbr"): break
    case let name:
      // Whatever else it is, its last operand no longer holds what it held.
      guard let last = operands.last else { throw Failure(what: "\(name) is not known") }
      write(.unknown, to: last)
    }
    return nil
  }

  private func target(_ operands: [String]) throws -> Int {
    guard let text = operands.first, let address = Self.number(text, radix: 16) else {
      throw Failure(what: "jumps to \(operands)")
    }
    return address
  }

  private mutating func moveStack(_ bytes: Int) {
    registers["rsp"] = sum(registers["rsp"] ?? .unknown, "$\(bytes)", 1)
  }

  private func sum(_ value: Value, _ constant: String, _ sign: Int) -> Value {
    guard case .place(var place) = value, constant.hasPrefix("$"),
      let number = Self.number(constant.dropFirst(), radix: 10)
    else { return .unknown }
    place.offset += sign * number
    return .place(place)
  }

  /// What an operand holds; only whole 8-byte registers and slots are followed.
  private func value(_ operand: String) -> Value {
    if operand.hasPrefix("%") { return registers[String(operand.dropFirst())] ?? .unknown }
    if operand.hasPrefix("$") { return .unknown }
    let place = place(operand)
    if place.base == Self.stack { return slots[place.offset] ?? .unknown }
    return place.base == nil ? .unknown : .content(place)
  }

  private mutating func write(_ value: Value, to operand: String) {
    guard operand.hasPrefix("%") else {
      let place = place(operand)
      if place.base == Self.stack {
        slots[place.offset] = value
      } else {
        events.append("store \(value.text) -> \(place.text)")
      }
      return
    }
    let name = operand.dropFirst()
    registers[Self.whole(name)] = Self.whole(name) == name ? value : .unknown
  }

  /// What a memory operand, as 8(%rdi), names.
  private func place(_ operand: String) -> Place {
    guard let parts = operand.wholeMatch(of: /(-?[0-9a-fx]*)\(%(\w+)\)/),
      case .place(var place) = registers[String(parts.2)] ?? .unknown,
      let offset = parts.1.isEmpty ? 0 : Self.number(parts.1, radix: 10)
    else { return Place(base: nil) }
    if place.base != nil { place.offset += offset }
    return place
  }

  /// The 8-byte register that a smaller one is part of.
  private static func whole(_ name: Substring) -> String {
    if let numbered = name.wholeMatch(of: /(r\d+)[dwb]?/) { return String(numbered.1) }
    if let letter = name.wholeMatch(of: /[er]?([abcd])[xlh]/) { return "r\(letter.1)x" }
    if let index = name.wholeMatch(of: /[er]?([sd]i|[sb]p)l?/) { return "r\(index.1)" }
    return String(name)
  }

  /// Reads 16, -0x10 or, where `radix` is 16, 1f.
  private static func number(_ text: some StringProtocol, radix: Int) -> Int? {
    let negative = text.hasPrefix("-")
    let digits = text.dropFirst(negative ? 1 : 0)
    let hexadecimal = digits.hasPrefix("0x")
    let number = Int(digits.dropFirst(hexadecimal ? 2 : 0), radix: hexadecimal ? 16 : radix)
    return number.map { negative ? -$0 : $0 }
  }
}
