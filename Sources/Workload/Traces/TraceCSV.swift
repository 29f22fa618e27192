// Traces as comma-separated values: Azure, BurstGPT and plain lengths.

import EventKernel

/// The columns of a CSV file by name.
struct CSVHeader {
  private let names: [String]

  init(_ line: some BidirectionalCollection<UInt8>) { names = Self.names(line) }

  /// Names in lower case, without blanks around them and a byte order mark.
  static func names(_ line: some BidirectionalCollection<UInt8>) -> [String] {
    cells(line.prefix(4096)).map {
      var name = $0.lowercased()
      if name.hasPrefix("\u{FEFF}") { name.removeFirst() }
      return name
    }
  }

  /// Cells without blanks and quotes around them; commas within quotes do not occur in traces.
  static func cells(_ line: some BidirectionalCollection<UInt8>) -> [String] {
    line.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map { cell in
      func isTrimmed(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x09 || byte == 0x0D || byte == UInt8(ascii: "\"")
      }
      let bytes = cell.drop(while: isTrimmed)
      let end = bytes.lastIndex { !isTrimmed($0) }
      return end.map { String(decoding: bytes[...$0], as: UTF8.self) } ?? ""
    }
  }

  func index(_ name: String) -> Int? { names.firstIndex(of: name) }
}

/// Reads the rows of a CSV trace.
struct TraceCSV {
  private let header: CSVHeader
  private let format: TraceFormat
  private let input: Int
  private let output: Int
  private let time: Int?
  private let session: Int?
  private let elapsed: Int?
  private let log: ProblemLog
  /// Where each session's row before ended, seconds; for think times.
  private var ends: [UInt64: Double] = [:]

  /// Reads the header; nil, with a problem in the log, if columns are missing.
  init?(
    _ format: TraceFormat, header line: some BidirectionalCollection<UInt8>, number: Int,
    log: ProblemLog
  ) {
    header = CSVHeader(line)
    self.format = format
    self.log = log
    let wanted: (input: String, output: String, time: String, session: String)
    switch format {
    case .azure: wanted = ("contexttokens", "generatedtokens", "timestamp", "")
    case .burstgpt: wanted = ("request tokens", "response tokens", "timestamp", "session id")
    default: wanted = ("input_tokens", "output_tokens", "time_s", "session_id")
    }
    time = header.index(wanted.time)
    session = header.index(wanted.session)
    elapsed = header.index("elapsed time")
    guard let input = header.index(wanted.input), let output = header.index(wanted.output),
      time != nil || format == .lengths
    else {
      let time = format == .lengths ? "" : "\(wanted.time), "
      log.add(
        line: number, path: "",
        "expected the columns \(time)\(wanted.input), \(wanted.output) in the first line")
      return nil
    }
    self.input = input
    self.output = output
  }

  /// What a row says.
  enum Row {
    case request(TraceRow)
    /// The request failed, or made no tokens.
    case failed
    /// A problem is in the log.
    case bad
  }

  mutating func row(_ text: some BidirectionalCollection<UInt8>, line: Int) -> Row {
    let cells = CSVHeader.cells(text)
    func cell(_ index: Int?) -> String? { index.flatMap { $0 < cells.count ? cells[$0] : nil } }
    func tokens(_ index: Int, _ name: String) -> Int? {
      // Some tools write whole numbers as 12.0.
      if let text = cell(index), let value = Double(text), value >= 0,
        value <= Double(WorkloadDecoder.tokenLimit), value == value.rounded()
      {
        return Int(value)
      }
      log.add(
        line: line, path: name,
        "expected a whole number from 0 to \(WorkloadDecoder.tokenLimit), found "
          + "\"\(String((cell(index) ?? "").prefix(40)))\"")
      return nil
    }
    guard let inputs = tokens(input, "input tokens"), let outputs = tokens(output, "output tokens")
    else { return .bad }
    var instant: Int128?
    if let time {
      guard let value = cell(time).flatMap({ TraceTime.picoseconds($0, isDate: format == .azure) })
      else {
        log.add(
          line: line, path: "time",
          format == .azure
            ? "expected a time such as 2023-11-16 18:17:03.9799600" : "expected seconds, 0 or more")
        return .bad
      }
      instant = value
    }
    let name = cell(session).flatMap { $0.isEmpty ? nil : StableHash.of($0.utf8) }
    var think: Double?
    if let name, let instant, let elapsed {
      let start = Double(instant) * 1e-12
      if let end = ends[name] { think = max(0, start - end) }
      ends[name] = start + max(0, cell(elapsed).flatMap { Double($0) } ?? 0)
    }
    guard inputs > 0, outputs > 0 else { return .failed }
    return .request(
      TraceRow(
        line: line, time: instant, inputTokens: inputs, outputTokens: outputs, session: name,
        thinkSeconds: think))
  }
}

/// Instants as traces write them.
enum TraceTime {
  /// The most seconds from a trace's origin that are read, about 30 000 years.
  private static var secondsLimit: Double { 1e12 }

  /// Picoseconds of seconds, or of a date and time of day; nil if the text is neither.
  static func picoseconds(_ text: String, isDate: Bool) -> Int128? {
    if isDate { return ofDate(text) }
    guard let seconds = Double(text), seconds >= 0, seconds <= secondsLimit else { return nil }
    return Int128((seconds * 1e12).rounded())
  }

  /// `2023-11-16 18:17:03.9799600`, perhaps with `T` and an offset such as `+00:00` or `Z`.
  private static func ofDate(_ text: String) -> Int128? {
    let bytes = Array(text.utf8)
    func number(_ range: Range<Int>) -> Int? {
      guard range.upperBound <= bytes.count else { return nil }
      var value = 0
      for byte in bytes[range] {
        guard (0x30...0x39).contains(byte) else { return nil }
        value = 10 * value + Int(byte - 0x30)
      }
      return value
    }
    func has(_ index: Int, _ allowed: String) -> Bool {
      index < bytes.count && allowed.utf8.contains(bytes[index])
    }
    guard let year = number(0..<4), has(4, "-"), let month = number(5..<7), has(7, "-"),
      let day = number(8..<10), has(10, " T"), let hour = number(11..<13), has(13, ":"),
      let minute = number(14..<16), has(16, ":"), let second = number(17..<19),
      (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second <= 60
    else { return nil }
    var position = 19
    var fraction: Int128 = 0
    if has(position, ".") {
      position += 1
      var unit: Int128 = 100_000_000_000
      while position < bytes.count, let digit = number(position..<(position + 1)) {
        fraction += Int128(digit) * unit
        unit /= 10
        position += 1
      }
    }
    var offset = 0
    if has(position, "+-") {
      guard let hours = number((position + 1)..<(position + 3)), has(position + 3, ":"),
        let minutes = number((position + 4)..<(position + 6)), hours < 24, minutes < 60
      else { return nil }
      offset = (bytes[position] == UInt8(ascii: "-") ? -60 : 60) * (60 * hours + minutes)
      position += 6
    } else if has(position, "Z") {
      position += 1
    }
    guard position == bytes.count else { return nil }
    let seconds = (days(year, month, day) * 24 + hour) * 3600 + minute * 60 + second - offset
    return Int128(seconds) * 1_000_000_000_000 + fraction
  }

  /// Days since 1970-01-01 of the Gregorian calendar, by years that begin in March.
  private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
    let year = month <= 2 ? year - 1 : year
    let era = (year >= 0 ? year : year - 399) / 400
    let yearOfEra = year - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }
}
