// Strict reading of one JSON object: every key known, every value of its type and in its range.

import JSONText

/// Reads the members of one object, reporting problems instead of stopping at the first.
final class ObjectReader {
  let log: ProblemLog
  let path: String
  let line: Int
  private let members: [(key: String, value: JSONNode)]
  private var known: Set<String> = []

  /// A reader of `node`; anything but an object is reported and reads as empty. An absent node
  /// reads as an empty object at `line`.
  init(_ node: JSONNode?, path: String, line: Int, log: ProblemLog) {
    self.log = log
    self.path = path
    self.line = node?.line ?? line
    guard let node else {
      members = []
      return
    }
    if case .object(let members) = node.value {
      self.members = members
    } else {
      members = []
      log.add(
        line: node.line, path: path, "expected an object, found \(node.value.kind)")
    }
  }

  func has(_ key: String) -> Bool { members.contains { $0.key == key } }

  func node(_ key: String) -> JSONNode? {
    known.insert(key)
    return members.first { $0.key == key }?.value
  }

  func report(_ key: String, _ message: String) {
    let line = members.first { $0.key == key }?.value.line ?? self.line
    log.add(line: line, path: key.isEmpty ? path : "\(path).\(key)", message)
  }

  func object(_ key: String) -> ObjectReader {
    ObjectReader(node(key), path: "\(path).\(key)", line: line, log: log)
  }

  private func mistyped(_ key: String, _ node: JSONNode, _ expected: String) {
    report(key, "expected \(expected), found \(node.value.kind)")
  }

  func string(_ key: String, default fallback: String) -> String {
    guard let node = node(key) else { return fallback }
    guard case .string(let value) = node.value else {
      mistyped(key, node, "a string")
      return fallback
    }
    return value
  }

  func requiredString(_ key: String) -> String? {
    guard has(key) else {
      known.insert(key)
      report(key, "is missing; a string is required")
      return nil
    }
    // Not empty, so that a value of another type is reported once.
    let value = string(key, default: "-")
    if value.isEmpty { report(key, "is empty; give it a value") }
    return value.isEmpty ? nil : value
  }

  func bool(_ key: String, default fallback: Bool) -> Bool {
    guard let node = node(key) else { return fallback }
    guard case .bool(let value) = node.value else {
      mistyped(key, node, "true or false")
      return fallback
    }
    return value
  }

  func integer(_ key: String, default fallback: Int, in range: ClosedRange<Int>) -> Int {
    optionalInteger(key, in: range) ?? fallback
  }

  func optionalInteger(_ key: String, in range: ClosedRange<Int>) -> Int? {
    guard let node = node(key) else { return nil }
    guard case .integer(let value) = node.value else {
      mistyped(key, node, "a whole number")
      return nil
    }
    guard range.contains(value) else {
      report(
        key, "\(value) is out of range; allowed are \(range.lowerBound) to \(range.upperBound)")
      return nil
    }
    return value
  }

  func requiredInteger(_ key: String, in range: ClosedRange<Int>) -> Int? {
    if !has(key) {
      known.insert(key)
      report(key, "is missing; a whole number is required")
    }
    return optionalInteger(key, in: range)
  }

  /// A number in `range`; the bounds belong to it unless `open` excludes the lower one.
  func number(
    _ key: String, default fallback: Double, in range: ClosedRange<Double>, open: Bool = false
  ) -> Double {
    optionalNumber(key, in: range, open: open) ?? fallback
  }

  func optionalNumber(_ key: String, in range: ClosedRange<Double>, open: Bool = false) -> Double? {
    guard let node = node(key) else { return nil }
    guard let value = node.value.double else {
      mistyped(key, node, "a number")
      return nil
    }
    // In another unit it must still be a number.
    guard value == 0 || abs(value) > 1e-290 else {
      report(key, "\(brief(value)) is too small to be told from 0")
      return nil
    }
    guard range.contains(value), !open || value > range.lowerBound else {
      let lower = open ? "above \(brief(range.lowerBound))" : "\(brief(range.lowerBound))"
      report(
        key, "\(brief(value)) is out of range; allowed are \(lower) to \(brief(range.upperBound))")
      return nil
    }
    return value
  }

  func requiredNumber(_ key: String, in range: ClosedRange<Double>, open: Bool = false) -> Double? {
    if !has(key) {
      known.insert(key)
      report(key, "is missing; a number is required")
    }
    return optionalNumber(key, in: range, open: open)
  }

  /// One of the given words.
  func choice<T: RawRepresentable & CaseIterable>(_ key: String, default fallback: T) -> T
  where T.RawValue == String {
    guard let node = node(key) else { return fallback }
    let allowed = words(of: T.self)
    guard case .string(let word) = node.value else {
      mistyped(key, node, "one of \(allowed)")
      return fallback
    }
    guard let value = T(rawValue: word) else {
      report(key, "unknown value \"\(word)\"; allowed are \(allowed)")
      return fallback
    }
    return value
  }

  private func words<T: RawRepresentable & CaseIterable>(of type: T.Type) -> String
  where T.RawValue == String {
    type.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
  }

  func requiredChoice<T: RawRepresentable & CaseIterable>(_ key: String, of type: T.Type) -> T?
  where T.RawValue == String {
    guard has(key), let fallback = type.allCases.first else {
      known.insert(key)
      report(key, "is missing; allowed are \(words(of: type))")
      return nil
    }
    return choice(key, default: fallback)
  }

  /// Reports keys that nothing asked for, naming the nearest one that exists; those that begin with
  /// `//` are comments.
  func finish() {
    for (key, value) in members where !known.contains(key) && !key.hasPrefix("//") {
      let key = key.count > 64 ? key.prefix(64) + "…" : key
      let names = known.sorted()
      // A name cut short, or else the one with the fewest changes.
      let continued = key.count >= 3 ? names.first { $0.hasPrefix(key) } : nil
      let nearest = continued ?? names.min { distance(key, $0) < distance(key, $1) }
      let hint: String
      if let nearest, continued != nil || distance(key, nearest) <= max(2, key.count / 3) {
        hint = "did you mean \"\(nearest)\"?"
      } else if names.isEmpty {
        hint = "no keys are allowed here"
      } else {
        hint = "allowed are \(names.joined(separator: ", "))"
      }
      log.add(line: value.line, path: "\(path).\(key)", "unknown key; \(hint)")
    }
  }

  private func brief(_ value: Double) -> String {
    JSONValue.number(value).text(indented: false)
  }

  /// Levenshtein distance.
  private func distance(_ a: String, _ b: String) -> Int {
    let (a, b) = (Array(a.utf8), Array(b.utf8))
    var row = Array(0...b.count)
    for i in 0..<a.count {
      var diagonal = row[0]
      row[0] = i + 1
      for j in 0..<b.count {
        let substitution = diagonal + (a[i] == b[j] ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(substitution, row[j] + 1, row[j + 1] + 1)
      }
    }
    return row[b.count]
  }
}
