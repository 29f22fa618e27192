// The simulator's servers and its serving path against closed forms of queueing theory.

import EventKernel
import Rack
import Serving
import Workload

extension Validation {
  /// All validations of queueing.
  static var queueing: [Validation] { [queueingServers, queueingServing] }

  private static var loads: [Double] { [0.5, 0.8, 0.9] }

  /// Servers by themselves; mean service 1 ms, 40 batches of which the first warms up.
  private static var queueingServers: Validation {
    Validation(
      "queueing-servers", title: "Mean time in queues and servers beside closed forms",
      source: "Kleinrock, Queueing Systems I and II (Wiley 1975, 1976)", unit: "ms",
      limit: .interval,
      rows: loads.flatMap { load in
        [
          // W = ρ S / (1 − ρ).
          row("M/M/1 waiting", load, load / (1 - load)) {
            Self.fifo(load, servers: 1, exponential: true, seed: 1)
          },
          // W = ρ S / (2 (1 − ρ)).
          row("M/D/1 waiting", load, load / (2 * (1 - load))) {
            Self.fifo(load, servers: 1, exponential: false, seed: 1)
          },
          // W = C(c, cρ) S / (c (1 − ρ)).
          row("M/M/4 waiting", load, erlangC(servers: 4, load: load) / (4 * (1 - load))) {
            Self.fifo(load, servers: 4, exponential: true, seed: 1)
          },
          // Burke: the second queue of a tandem is M/M/1 too. T = 2 S / (1 − ρ).
          row("M/M/1 tandem time", load, 2 / (1 - load)) { Self.tandem(load, seed: 1) },
          // T = S / (1 − ρ) whatever the distribution of work; here gamma, twice the variance.
          row("M/G/1-PS time, server", load, 1 / (1 - load)) { Self.sharing(load, seed: 1) },
          row("M/G/1-PS time, link", load, 1 / (1 - load)) { Self.link(load, seed: 1) },
        ]
      })
  }

  /// One prefill worker that takes one request at a time, through whole runs.
  private static var queueingServing: Validation {
    Validation(
      "queueing-serving", title: "Mean waiting of requests for one prefill worker",
      source: "Pollaczek-Khinchine (Kleinrock, Queueing Systems I, 1975): W = l E[S^2] / 2(1 - r)",
      unit: "ms", limit: .interval,
      rows: loads.flatMap { load in
        serving("M/D/1", load, lengths: [6000])
          + serving("M/G/1, two lengths", load, lengths: [1000, 6000])
      })
  }

  // MARK: Servers

  /// Mean waiting in batches: jobs go to the server that is free first.
  private static func fifo(
    _ load: Double, servers: Int, exponential: Bool, seed: UInt64
  ) -> [Double] {
    var random = RandomStream(seed: seed, name: "fifo")
    var pool = Array(repeating: FIFOServer(), count: servers)
    var free = Array(repeating: SimTime.zero, count: servers)
    var now = SimTime.zero
    return batches(of: 100_000) {
      now = now + .milliseconds(random.exponential(mean: 1 / (load * Double(servers))))
      let service = SimDuration.milliseconds(exponential ? random.exponential(mean: 1) : 1)
      let server = free.indices.min { free[$0] < free[$1] }!
      free[server] = pool[server].admit(service: service, at: now)
      return (free[server] - now - service).seconds * 1e3
    }
  }

  private static func tandem(_ load: Double, seed: UInt64) -> [Double] {
    var random = RandomStream(seed: seed, name: "tandem")
    var (first, second) = (FIFOServer(), FIFOServer())
    var now = SimTime.zero
    return batches(of: 100_000) {
      now = now + .milliseconds(random.exponential(mean: 1 / load))
      let passed = first.admit(service: .milliseconds(random.exponential(mean: 1)), at: now)
      let left = second.admit(service: .milliseconds(random.exponential(mean: 1)), at: passed)
      return (left - now).seconds * 1e3
    }
  }

  private static func sharing(_ load: Double, seed: UInt64) -> [Double] {
    var random = RandomStream(seed: seed, name: "sharing")
    var server = ProcessorSharing()
    var arrivals: [SimTime] = []
    var next = SimTime.zero
    return batches(of: 20_000) {
      while true {
        if let end = server.nextCompletion, end <= next {
          guard let tag = server.popCompletion(at: end) else { continue }
          return (end - arrivals[Int(tag)]).seconds * 1e3
        }
        server.add(
          work: .milliseconds(random.gamma(shape: 0.5, scale: 2)), tag: UInt64(arrivals.count),
          at: next)
        arrivals.append(next)
        next = next + .milliseconds(random.exponential(mean: 1 / load))
      }
    }
  }

  /// Flows over one link of 1 GB/s, 1 MB in the mean.
  private static func link(_ load: Double, seed: UInt64) -> [Double] {
    var random = RandomStream(seed: seed, name: "link")
    var network = FluidNetwork()
    let link = network.addResource(name: "link", bytesPerSecond: 1e9)
    var arrivals: [SimTime] = []
    var next = SimTime.zero
    return batches(of: 20_000) {
      while true {
        if let end = network.nextCompletion, end <= next {
          guard let done = network.popCompletion(at: end) else { continue }
          return (end - arrivals[Int(done.tag)]).seconds * 1e3
        }
        let bytes = max(1, Int(random.gamma(shape: 0.5, scale: 2e6).rounded()))
        _ = network.start(
          bytes: bytes, path: [link], cap: .infinity, tag: UInt64(arrivals.count), at: next)
        arrivals.append(next)
        next = next + .milliseconds(random.exponential(mean: 1 / load))
      }
    }
  }

  /// Probability that an arrival at `servers` servers must wait (Erlang's C formula).
  private static func erlangC(servers: Int, load: Double) -> Double {
    let offered = load * Double(servers)
    // Erlang's B by its recursion, then C from B.
    let blocking = (1...servers).reduce(1.0) { $0 * offered / (Double($1) + $0 * offered) }
    return blocking / (1 - load * (1 - blocking))
  }

  // MARK: The serving path

  /// Poisson arrivals of prompts of the given lengths, equally often, at an ideal system's only
  /// prefill worker: the mean of their waiting beside the closed form, and beside a FIFO server
  /// that is given the same jobs, where no chance is left.
  private static func serving(_ name: String, _ load: Double, lengths: [Int]) -> [Row] {
    let workload = servingWorkload
    let steps = StepTimeModel(
      gpu: workload.rack.prefill.gpu, model: workload.model,
      tensorParallel: workload.rack.prefill.tensorParallel, weights: workload.weightFormat,
      kv: workload.kvFormat)!
    let services = lengths.map { steps.prefillSeconds(tokens: $0, cached: 0) * 1e3 }
    let mean = services.reduce(0, +) / Double(services.count)
    let square = services.map { $0 * $0 }.reduce(0, +) / Double(services.count)
    let expected = load / mean * square / (2 * (1 - load))
    var gaps = RandomStream(seed: 1, name: "gaps")
    var choices = RandomStream(seed: 1, name: "choices")
    var now = SimTime.zero
    let requests = (0..<40 * 5000).map { index in
      now = now + .milliseconds(gaps.exponential(mean: mean / load))
      return OfferedRequest(
        arrival: now, inputTokens: lengths[choices.integer(below: lengths.count)],
        outputTokens: 1, promptIDs: [UInt64(index)])
    }
    let run = ServingRun.run(
      system: workload.systems[0], workload: workload,
      stream: RequestStream(blockTokens: 8192, requests: requests))
    precondition(run.violations.isEmpty, "a law is broken: \(run.violations)")
    let waits = run.requests.map { $0.prefill.scheduling.seconds * 1e3 }
    var server = FIFOServer()
    let same = requests.map { request in
      let service = SimDuration.seconds(
        steps.prefillSeconds(tokens: request.inputTokens, cached: 0))
      let done = server.admit(service: service, at: request.arrival)
      return (done - request.arrival - service).seconds * 1e3
    }
    var place = 0
    return [
      row(name, load, expected) {
        batches(of: 5000) {
          defer { place += 1 }
          return waits[place]
        }
      },
      Row(
        "\(name), load \(load), same jobs at a server", reference: Statistics.mean(same),
        model: Statistics.mean(waits), tolerance: 1e-9),
    ]
  }

  private static var servingWorkload: Workload {
    let text = """
      {"name": "queueing", "seed": 1, "model": "llama-3.1-8b", "rack": {"preset": "h100-rack",
         "prefill": {"count": 1}, "decode": {"count": 1}},
       "engine": {"max_sequences": 1}, "systems": ["ideal"],
       "traffic": {"kind": "static", "input_tokens": 1, "output_tokens": 1,
         "arrivals": {"process": "poisson", "rate_rps": 1}},
       "stop": {"requests": 1}}
      """
    do {
      var workload = try WorkloadFile.decode(Array(text.utf8), name: "queueing", folder: "")
      // No prompt fills a block, so nothing is ever cached.
      workload.systems[0].blockTokens = 8192
      return workload
    } catch {
      preconditionFailure("the workload of the queueing validation is wrong: \(error)")
    }
  }

  // MARK: Batches

  /// Means of 39 batches of consecutive samples; one before them warms up.
  private static func batches(of size: Int, _ sample: () -> Double) -> [Double] {
    (0..<40).map { _ in
      var sum = 0.0
      for _ in 0..<size { sum += sample() }
      return sum / Double(size)
    }.suffix(39)
  }

  /// A row whose tolerance is half the width of the batches' 99 % confidence interval.
  private static func row(
    _ name: String, _ load: Double, _ expected: Double, _ batches: () -> [Double]
  ) -> Row {
    let means = batches()
    return Row(
      "\(name), load \(load)", reference: expected, model: Statistics.mean(means),
      tolerance: Statistics.confidenceHalfWidth(means, level: 0.99) / expected)
  }
}
