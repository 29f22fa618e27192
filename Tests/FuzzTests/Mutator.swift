// Damages files in ways that keep much of their structure, so that what lies behind the parser is met.

import JSONText

/// A small generator; a case is its seed and nothing else.
struct Draws: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1 }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<max(1, bound), using: &self) }
  mutating func chance(_ oneIn: Int) -> Bool { below(oneIn) == 0 }
  mutating func pick<T>(_ values: [T]) -> T { values[below(values.count)] }
}

/// Mutations of JSON trees, of CSV rows and of plain bytes.
struct Mutator {
  var draws: Draws
  /// Trees from which parts are taken over.
  let donors: [JSONNode]

  private static let numbers: [Double] = [
    0, -0.0, 1, -1, 0.5, 2, 3, 16, 64, 1e3, 1e6, 1e7, 1e8, 1e9, 1e12, 1e18, 1e300, -1e300, 1e-300,
    .leastNonzeroMagnitude, 1.797e308, 9_007_199_254_740_992, 4_294_967_296, 65_536, 65_537,
    0.9999999, 1.0000001,
  ]
  private static let integers = [
    0, 1, -1, 2, 7, 255, 256, 65_536, 10_000_000, 10_000_001, 100_000_000, .max, .min, 1 << 53,
  ]
  private static let texts = [
    "", " ", "tract", "nixl", "lmcache", "mooncake", "beluga", "ideal", "aggregated", "poisson",
    "gamma", "closed_loop", "sessions", "recorded", "trace", "static", "synthetic", "h100-rack",
    "tract-testbed", "h100-sxm", "llama-3.1-70b", "agentic-code", "kv_aware", "random", "fp8",
    "a/b",
    "..", "\u{0}", "ü€😀", "\u{202E}", "%s%n", "$.x", "null", "1e5", "node_crash", "link_down",
    String(repeating: "x", count: 5000),
  ]

  // MARK: JSON

  /// A value of any kind.
  mutating func value() -> JSONValue {
    switch draws.below(10) {
    case 0, 1, 2: .number(draws.pick(Self.numbers))
    case 3, 4: .integer(draws.pick(Self.integers))
    case 5: .string(draws.pick(Self.texts))
    case 6: .bool(draws.chance(2))
    case 7: .null
    case 8: .array((0..<draws.below(4)).map { _ in JSONNode(.integer(1)) })
    default: part(of: draws.pick(donors)).value
    }
  }

  /// A random subtree.
  private mutating func part(of node: JSONNode) -> JSONNode {
    var node = node
    while !draws.chance(3) {
      switch node.value {
      case .object(let members) where !members.isEmpty: node = draws.pick(members.map(\.value))
      case .array(let elements) where !elements.isEmpty: node = draws.pick(elements)
      default: return node
      }
    }
    return node
  }

  /// Changes one random place of a tree.
  mutating func mutate(_ node: JSONNode) -> JSONNode {
    switch node.value {
    case .object(var members):
      if !members.isEmpty, !draws.chance(5) {
        let index = draws.below(members.count)
        members[index].value = mutate(members[index].value)
      } else {
        change(&members)
      }
      return JSONNode(.object(members))
    case .array(var elements):
      if !elements.isEmpty, !draws.chance(5) {
        let index = draws.below(elements.count)
        elements[index] = mutate(elements[index])
      } else {
        change(&elements)
      }
      return JSONNode(.array(elements))
    case .integer(let number) where draws.chance(2):
      let (scaled, overflows) = number.multipliedReportingOverflow(
        by: draws.pick([-1, 2, 3, 10, 1000]))
      return JSONNode(.integer(overflows ? number : scaled &+ draws.below(3) - 1))
    case .number(let number) where draws.chance(2):
      let scaled = number * draws.pick([-1, 0.001, 0.5, 2, 10, 1e6])
      return JSONNode(.number(scaled.isFinite ? scaled : 0))
    default: return JSONNode(value())
    }
  }

  private mutating func change(_ members: inout [(key: String, value: JSONNode)]) {
    switch draws.below(5) {
    case 0 where !members.isEmpty: members.remove(at: draws.below(members.count))
    case 1 where !members.isEmpty:
      let index = draws.below(members.count)
      members[index].key += draws.pick(["", "s", "_ms", "x", "//"])
    case 2:
      guard case .object(let others) = part(of: draws.pick(donors)).value, !others.isEmpty else {
        return
      }
      members.append(draws.pick(others))
    case 3 where members.count > 1:
      members.swapAt(draws.below(members.count), draws.below(members.count))
    default: members.append((draws.pick(Self.texts), JSONNode(value())))
    }
  }

  private mutating func change(_ elements: inout [JSONNode]) {
    switch draws.below(4) {
    case 0 where !elements.isEmpty: elements.remove(at: draws.below(elements.count))
    case 1 where !elements.isEmpty:
      let copy = draws.pick(elements)
      for _ in 0..<draws.pick([1, 3, 300]) { elements.append(copy) }
    case 2 where elements.count > 1:
      elements.swapAt(draws.below(elements.count), draws.below(elements.count))
    default: elements.append(JSONNode(value()))
    }
  }

  // MARK: Rows and bytes

  /// Changes lines or cells of a trace.
  mutating func mutate(lines text: String) -> String {
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let index = draws.below(lines.count)
    switch draws.below(8) {
    case 0: lines.remove(at: index)
    case 1: lines.insert(lines[index], at: draws.below(lines.count))
    case 2: lines.swapAt(index, draws.below(lines.count))
    case 3: for _ in 0..<draws.pick([1, 100]) { lines.append(lines[index]) }
    default:
      if let node = try? JSONParser.parse(Array(lines[index].utf8)) {
        lines[index] = mutate(node).text(indented: false)
      } else {
        var cells = lines[index].split(separator: ",", omittingEmptySubsequences: false)
          .map(String.init)
        let cell = draws.below(cells.count)
        switch draws.below(4) {
        case 0: cells.remove(at: cell)
        case 1: cells.insert(draws.pick(Self.texts), at: cell)
        case 2: cells[cell] = "\(draws.pick(Self.numbers))"
        default: cells[cell] = JSONNode(value()).text(indented: false)
        }
        lines[index] = cells.joined(separator: ",")
      }
    }
    return lines.joined(separator: "\n")
  }

  /// Changes bytes: flips, cuts, doubles, noise.
  mutating func mutate(bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    guard !bytes.isEmpty else { return [UInt8(truncatingIfNeeded: draws.next())] }
    let start = draws.below(bytes.count)
    let end = min(bytes.count, start + 1 + draws.below(40))
    switch draws.below(6) {
    case 0: bytes[start] ^= 1 << UInt8(draws.below(8))
    case 1: bytes.removeSubrange(start..<end)
    case 2: bytes.removeSubrange(start...)
    case 3: bytes.insert(contentsOf: bytes[start..<end], at: start)
    case 4:
      let byte = draws.pick([0, 9, 10, 13, 34, 44, 91, 123, 0x80, 0xFF] as [UInt8])
      bytes.insert(contentsOf: repeatElement(byte, count: draws.pick([1, 3, 200])), at: start)
    default: bytes[start] = UInt8(truncatingIfNeeded: draws.next())
    }
    return bytes
  }
}
