// What arrives, and when: the `traffic` object.

import JSONText

extension WorkloadDecoder {
  private enum TrafficKind: String, CaseIterable {
    case fixed = "static", synthetic, sessions, trace
  }
  private enum ArrivalKind: String, CaseIterable {
    case poisson, gamma, deterministic, recorded, sessions
    case closedLoop = "closed_loop"
  }

  func traffic(_ root: ObjectReader) -> Traffic? {
    guard root.has("traffic") else {
      _ = root.node("traffic")
      root.report("traffic", "is missing; say what arrives")
      return nil
    }
    let reader = root.object("traffic")
    defer { reader.finish() }
    let tokens = 1...Self.tokenLimit
    let source: Traffic.Source?
    switch reader.requiredChoice("kind", of: TrafficKind.self) {
    case nil: source = nil
    case .fixed:
      let input = reader.requiredInteger("input_tokens", in: tokens)
      let output = reader.requiredInteger("output_tokens", in: tokens)
      if let input, let output {
        source = .fixed(inputTokens: input, outputTokens: output)
      } else {
        source = nil
      }
    case .synthetic: source = synthetic(reader)
    case .trace:
      source = trace(reader).map { .trace($0) }
    case .sessions:
      let model = reader.requiredChoice("model", of: SessionModel.self)
      let speedup = speedup(reader)
      source = model.map { .sessions(.init(model: $0, speedup: speedup)) }
    }
    let isRecorded =
      switch source {
      case .trace, .sessions: true
      default: false
      }
    let arrivals = arrivals(reader, isRecorded: isRecorded)
    guard let source, let arrivals else { return nil }
    return Traffic(source: source, arrivals: arrivals)
  }

  private func trace(_ reader: ObjectReader) -> Traffic.TraceSpec? {
    let limit = 1e6
    let file = reader.requiredString("file")
    let from = reader.number("from_s", default: 0, in: 0...1e9)
    let to = reader.optionalNumber("to_s", in: 0...1e9, open: true)
    if let to, to <= from {
      reader.report("to_s", "\(to) leaves nothing after from_s, which is \(from)")
    }
    let spec = Traffic.TraceSpec(
      path: file.map(resolved) ?? "", format: reader.choice("format", default: TraceFormat.auto),
      speedup: speedup(reader),
      smearSeconds: reader.number("smear_ms", default: 0, in: 0...limit * 1e3) / 1e3,
      blockTokens: reader.optionalInteger("block_tokens", in: 1...65_536),
      fromSeconds: from, toSeconds: to,
      sessions: reader.optionalInteger("sessions", in: 1...Self.countLimit))
    return file == nil ? nil : spec
  }

  private func speedup(_ reader: ObjectReader) -> Double {
    reader.number("speedup", default: 1, in: 0...1e6, open: true)
  }

  private func sessions(_ reader: ObjectReader) -> Traffic.SessionArrivals {
    let users = reader.optionalInteger("concurrency", in: 1...Self.countLimit)
    let rate = reader.optionalNumber("rate_rps", in: 0...1e6, open: true)
    if users != nil, rate != nil {
      reader.report("rate_rps", "does not go with concurrency; give one of the two")
    }
    return Traffic.SessionArrivals(
      concurrency: users, ratePerSecond: rate,
      thinkSeconds: reader.optionalNumber("think_time_s", in: 0...1e6))
  }

  private func synthetic(_ reader: ObjectReader) -> Traffic.Source? {
    let range = 1...Double(Self.tokenLimit)
    let spread = 0...Double(Self.tokenLimit)
    let input = reader.requiredNumber("input_tokens", in: range)
    let output = reader.requiredNumber("output_tokens", in: range)
    let unique = reader.requiredNumber("unique_tokens", in: range)
    let spec = Traffic.SyntheticSpec(
      inputTokens: input ?? 1,
      inputTokensDeviation: reader.number("input_tokens_std", default: 0, in: spread),
      outputTokens: output ?? 1,
      outputTokensDeviation: reader.number("output_tokens_std", default: 0, in: spread),
      uniqueTokens: unique ?? 1,
      uniqueTokensDeviation: reader.number("unique_tokens_std", default: 0, in: spread),
      prefixGroups: reader.integer("prefix_groups", default: 1, in: 1...Self.countLimit),
      blockTokens: reader.integer("block_tokens", default: 16, in: 1...65_536))
    guard let input, output != nil, let unique else { return nil }
    if unique > input {
      reader.report("unique_tokens", "is more than input_tokens; at most \(Int(input)) are allowed")
    }
    return .synthetic(spec)
  }

  private func arrivals(_ traffic: ObjectReader, isRecorded: Bool) -> Traffic.Arrivals? {
    guard traffic.has("arrivals") else {
      _ = traffic.node("arrivals")
      if isRecorded { return .recorded }
      traffic.report("arrivals", "is missing; e.g. {\"process\": \"poisson\", \"rate_rps\": 1}")
      return nil
    }
    let reader = traffic.object("arrivals")
    defer { reader.finish() }
    switch reader.requiredChoice("process", of: ArrivalKind.self) {
    case nil: return nil
    case .poisson: return rate(reader).map { .poisson(ratePerSecond: $0) }
    case .deterministic: return rate(reader).map { .deterministic(ratePerSecond: $0) }
    case .gamma:
      let burstiness = reader.number("burstiness", default: 1, in: 0...1e6, open: true)
      return rate(reader).map { .gamma(ratePerSecond: $0, burstiness: burstiness) }
    case .closedLoop:
      let think = reader.number("think_time_s", default: 0, in: 0...1e6)
      return reader.requiredInteger("concurrency", in: 1...Self.countLimit)
        .map { .closedLoop(concurrency: $0, thinkSeconds: think) }
    case .sessions:
      let sessions = sessions(reader)
      if isRecorded { return .sessions(sessions) }
      reader.report("process", "only traces and session models have sessions; choose another")
      return nil
    case .recorded:
      if isRecorded { return .recorded }
      reader.report("process", "only a trace has recorded arrivals; choose poisson or another")
      return nil
    }
  }

  private func rate(_ reader: ObjectReader) -> Double? {
    reader.requiredNumber("rate_rps", in: 0...1e6, open: true)
  }
}
