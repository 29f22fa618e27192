// `tract-sim capacity`: what it finds is what `run` shows, and cheapest is cheapest of all.

import Foundation
import JSONText
import Testing

@Suite struct CapacityTests {
  private let scratch: Scratch
  private let file: String

  init() throws {
    scratch = try Scratch()
    file = try scratch.write(
      "w.json",
      """
      {"name": "w", "model": "llama-3.1-8b", "rack": {"preset": "h100-rack"},
       "systems": ["nixl", "tract"],
       "traffic": {"kind": "synthetic", "input_tokens": 3000, "output_tokens": 20,
                   "unique_tokens": 1500, "prefix_groups": 20,
                   "arrivals": {"process": "poisson", "rate_rps": 4}},
       "stop": {"requests": 200}, "slo": {"ttft_ms": 600, "tpot_ms": 30},
       "prices": {"host": 10000, "prefill_gpu": 25000, "decode_gpu": 20000, "nic": 1500,
                  "dram_gib": 4, "cxl_switch": 20000, "cxl_adapter": 500, "cxl_device": 2000,
                  "cxl_gib": 5}}
      """)
  }

  private func rows(_ more: String...) throws -> [JSONNode] {
    let result = try Command.run(
      "tract-sim", ["capacity", file, "--format", "json"] + more)
    #expect([0, 1].contains(result.status), "\(result.error)")
    let report = try JSONParser.parse(Array(result.output.utf8))
    guard case .array(let rows)? = report["rows"]?.value else { return [] }
    return rows
  }

  /// Mean over seeds of the P99 TTFT that `run` reports.
  private func p99(_ row: JSONNode, at rate: Double, seeds: ClosedRange<Int>) throws -> Double {
    guard case .string(let system)? = row["system"]?.value else { return .nan }
    let values = try seeds.map { seed in
      let run = try Command.sim(
        "run", file, "--systems", system, "--seed", "\(seed)", "--format", "json", "--set",
        "traffic.arrivals.rate_rps=\(rate)")
      guard case .array(let runs)? = try JSONParser.parse(Array(run.output.utf8))["runs"]?.value
      else { return Double.nan }
      return runs[0]["p99_ttft_ms"]?.value.double ?? .nan
    }
    return values.reduce(0, +) / Double(values.count)
  }

  @Test func theLimitsHoldBelowAndNotAbove() throws {
    let rows = try rows("--seeds", "1..2", "--tolerance", "3%")
    #expect(rows.count == 2)
    for row in rows {
      let best = try #require(row["highest_rate_rps"]?.value.double)
      let beyond = try #require(row["beyond_rate_rps"]?.value.double)
      #expect(best < beyond && beyond - best <= 0.03 * beyond)
      let reported = try #require(row["p99_ttft_ms"]?.value.double)
      #expect(abs(try p99(row, at: best, seeds: 1...2) - reported) < 1e-9 * reported)
      #expect(reported <= 600)
      #expect(try p99(row, at: beyond, seeds: 1...2) > 600)
    }
  }

  @Test func jobsChangeNothing() throws {
    let one = try Command.sim("capacity", file, "--seeds", "1..3", "--jobs", "1")
    let many = try Command.sim("capacity", file, "--seeds", "1..3", "--jobs", "6")
    #expect(one.status == 0 && one.output == many.output)
  }

  /// A share of good requests is an easier aim than a percentile that all seeds must meet.
  @Test func goodputShare() throws {
    let strict = try #require(try rows()[0]["highest_rate_rps"]?.value.double)
    let loose = try rows("--goodput", "0.8")[0]
    #expect(try #require(loose["highest_rate_rps"]?.value.double) > strict)
    #expect(try #require(loose["goodput_share"]?.value.double) >= 0.8)
  }

  /// A recorded trace is sped up; its rate is that of its requests.
  @Test func recordedTraces() throws {
    var lines = ""
    for index in 0..<200 {
      lines +=
        "{\"timestamp\": \(index * 500), \"input_length\": 2000, \"output_length\": 5, "
        + "\"hash_ids\": [\(4 * index), \(4 * index + 1), \(4 * index + 2), \(4 * index + 3)]}\n"
    }
    _ = try scratch.write("t.jsonl", lines)
    let result = try Command.sim(
      "capacity", file, "--set", "traffic={\"kind\":\"trace\",\"file\":\"t.jsonl\"}", "--format",
      "csv", "--systems", "nixl")
    #expect(result.status == 0, "\(result.error)")
    let rate = try #require(
      Double(result.output.split(separator: "\n")[1].split(separator: ",")[1]))
    #expect(rate > 2)
    let run = try Command.sim(
      "run", file, "--set", "traffic={\"kind\":\"trace\",\"file\":\"t.jsonl\"}", "--set",
      "traffic.speedup=\(rate / 2)", "--systems", "nixl", "--format", "json")
    let report = try JSONParser.parse(Array(run.output.utf8))
    guard case .array(let runs)? = report["runs"]?.value else { return }
    #expect(try #require(runs[0]["p99_ttft_ms"]?.value.double) <= 600)
  }

  /// No cheaper rack of the grid meets the limits.
  @Test func theCheapestIsTheCheapest() throws {
    let grid = ["--vary", "rack.prefill.count=1..3", "--vary", "rack.decode.count=1..2"]
    let found = try rows("--rate", "25", grid[0], grid[1], grid[2], grid[3])
    for row in found {
      guard case .string(let system)? = row["system"]?.value else { continue }
      let price = try #require(row["price"]?.value.double)
      #expect(row["highest_rate_rps"]?.value.double == 25)
      var others: [Double] = []
      for prefill in 1...3 {
        for decode in 1...2 {
          let all = try rows(
            "--rate", "25", "--set", "rack.prefill.count=\(prefill)", "--set",
            "rack.decode.count=\(decode)", "--systems", system)
          if all[0]["highest_rate_rps"]?.value.double != nil {
            others.append(try #require(all[0]["price"]?.value.double))
          }
        }
      }
      #expect(others.min() == price, "\(system)")
    }
    // 4 hosts with 1 GPU each: what the catalogue's rack has in DRAM and CXL, by hand.
    let four = try rows(
      "--rate", "1", "--set", "rack.prefill.count=2", "--set", "rack.decode.count=2")
    func price(_ more: String...) throws -> Double {
      let all = try Command.run("tract-sim", ["run", file, "--output", scratch.file("o")] + more)
      #expect(all.status == 0)
      let text = try AtomicFile.read(scratch.file("o/workload.json"))
      let rack = try JSONParser.parse(text)["rack"]
      let dram = try #require(rack?["dram"]?["capacity_gib"]?.value.double)
      let cxl = try #require(rack?["cxl"]?["capacity_gib"]?.value.double)
      let devices = try #require(rack?["cxl"]?["devices"]?.value.double)
      let base = 4 * (10000 + 4 * dram) + 2 * 25000 + 2 * 20000
      return more.contains("nixl")
        ? base + 4 * 1500 : base + 20000 + 4 * 500 + devices * 2000 + cxl * 5
    }
    #expect(try four[0]["price"]?.value.double == price("--systems", "nixl"))
    #expect(try four[1]["price"]?.value.double == price("--systems", "tract"))
  }

  @Test func whatNoRackMeetsEndsWith1() throws {
    let result = try Command.sim(
      "capacity", file, "--rate", "5", "--slo", "ttft_ms=0.01", "--systems", "nixl")
    #expect(result.status == 1)
    #expect(result.output.contains("P99 TTFT"))
  }

  @Test(arguments: [
    (["--percentile", "50"], Int32(64), "90, 95 or 99"),
    (["--percentile", "90", "--goodput", "0.9"], 64, "not both"),
    (["--goodput", "1.5"], 64, "at most 1"), (["--tolerance", "0"], 64, "share such as 2%"),
    (["--rate", "0"], 64, "above 0"), (["--slo", "ttft"], 64, "ttft_ms=4000"),
    (["--slo", "ttft_ms=-1"], 65, "out of range"), (["--seeds", "x"], 64, "1..5"),
    (["--set", "slo={}"], 65, "names no limit"),
    (["--set", "traffic.arrivals={\"process\":\"closed_loop\",\"concurrency\":3}"], 65, "no rate"),
    (["--vary", "rack.prefill.count=1..2", "--rate", "3", "--set", "prices=null"], 65, "prices"),
  ]) func badArguments(arguments: [String], status: Int32, message: String) throws {
    let result = try Command.run("tract-sim", ["capacity", file] + arguments)
    #expect(result.status == status, "\(result.error)")
    #expect(result.error.contains(message), "\(result.error)")
    #expect(result.output.isEmpty)
  }
}
