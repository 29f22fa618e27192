// What the commands print, which codes they exit with, and that they repeat themselves.

import Foundation
import JSONText
import Testing

/// A comparison of all systems that takes a blink.
private let small = [
  "--set", "stop.requests=40", "--set", "stop.warmup_requests=5",
  "--systems", "nixl,lmcache,tract-nocache,tract,ideal,aggregated",
]

@Suite struct HelpTests {
  @Test(arguments: [
    "", "init", "run", "sweep", "capacity", "validate", "catalog", "probe", "probe gpu",
    "probe fabric",
    "probe trace", "trace", "trace convert", "trace synthesize",
    "probe store", "probe cxl",
    "calibrate", "plot",
    "check",
  ]) func simHelp(_ command: String) throws {
    let words = command.split(separator: " ").map(String.init)
    let result = try Command.run(
      "tract-sim", words + ["--help"], environment: ["COLUMNS": "100"])
    #expect(result.status == 0)
    let name = (["tract-sim"] + words).joined(separator: "-")
    // The number of processors is the machine's.
    try expectGolden(
      result.output.replacing(
        #/Systems, or points of a sweep, to run at the same time. \(default: \d+\)/#
      ) { _ in
        "Systems, or points of a sweep, to run at the same time. (default: processors)"
      }, "help-\(name).txt")
  }

  @Test(arguments: ["", "create", "info", "check", "bench", "stress", "manager"]) func poolHelp(
    _ command: String
  ) throws {
    let words = command.split(separator: " ").map(String.init)
    let result = try Command.run("tract-pool", words + ["--help"], environment: ["COLUMNS": "100"])
    #expect(result.status == 0)
    try expectGolden(
      result.output, "help-" + (["tract-pool"] + words).joined(separator: "-") + ".txt")
  }
}

@Suite struct ExitCodeTests {
  @Test(arguments: [
    ["run", "--nonsense"], ["run", "--jobs", "0"], ["run", "--plot"], ["run", "--systems", "ucx"],
    ["run", "--set", "seed"], ["probe", "gpu", "--gpu", "k80", "--model", "llama-3.1-8b"],
    ["probe", "gpu", "--gpu", "h100-sxm", "--model", "gpt-oss-120b", "--ep", "--prefill", "1"],
    ["calibrate", "x.csv", "--gpu", "k80", "--model", "llama-3.1-8b"],
    ["calibrate", "x.csv", "--gpu", "h100-sxm", "--model", "llama-3.1-8b", "--pp", "2"],
    ["catalog", "hardware", "k80"], ["probe", "store", "--nodes", "1", "--device", "niagara-2.0"],
    ["probe", "store", "--nodes", "4", "--device", "abacus"],
    ["probe", "store", "--nodes", "4", "--device", "niagara2", "--bulk-load", "1.5"],
    ["probe", "store", "--nodes", "4", "--device", "niagara2", "--locks", "3"],
    ["probe", "cxl", "--device", "abacus"],
    ["probe", "cxl", "--device", "niagara2", "--read-gbps", "1e-9"],
    ["probe", "cxl", "--device", "niagara2", "--copy-kib", "0"],
    ["check", "x.json", "--baseline", "y", "--tolerance", "ttft=1%"],
  ]) func usage(_ arguments: [String]) throws {
    let result = try Command.run("tract-sim", arguments)
    #expect(result.status == 64, "\(result.error)")
    #expect(result.output.isEmpty)
    #expect(!result.error.isEmpty)
  }

  @Test func badOverrideIsBadInput() throws {
    let result = try Command.sim("run", "--set", "stop.requests=-1")
    #expect(result.status == 65)
    #expect(result.error.contains("stop.requests"))
  }

  @Test func unwritableOutput() throws {
    let scratch = try Scratch()
    let file = try scratch.write("file", "")
    let result = try Command.run(
      "tract-sim", ["run", "--output", file + "/folder"] + small)
    #expect(result.status == 73, "\(result.error)")
    #expect(result.error.contains("file/folder"))
  }

  @Test func plotOfNothing() throws {
    let scratch = try Scratch()
    let result = try Command.sim("plot", scratch.folder.path)
    #expect(result.status == 65)
    #expect(result.error.contains("requests.jsonl"))
  }
}

@Suite struct OutputTests {
  /// Everything a run writes is the same whatever runs beside it and whatever language the user has.
  @Test func jobsAndLocalesChangeNothing() throws {
    let scratch = try Scratch()
    let settings: [(jobs: String, locale: String)] = [
      ("1", "C"), ("2", "C.UTF-8"), ("2", "de_DE.UTF-8"), ("6", "tr_TR.UTF-8"),
    ]
    var tables: Set<String> = []
    for (index, setting) in settings.enumerated() {
      let result = try Command.run(
        "tract-sim",
        ["run", "--jobs", setting.jobs, "--output", scratch.file("\(index)")] + small,
        environment: ["LC_ALL": setting.locale, "LANG": setting.locale, "TZ": "Asia/Kolkata"])
      #expect(result.status == 0, "\(result.error)")
      tables.insert(result.output)
    }
    #expect(tables.count == 1)
    for name in ["report.json", "report.csv", "requests.jsonl", "series.csv", "workload.json"] {
      let first = try Data(contentsOf: scratch.folder.appendingPathComponent("0/\(name)"))
      #expect(first.count > 100, "\(name)")
      for index in 1..<settings.count {
        let other = try Data(contentsOf: scratch.folder.appendingPathComponent("\(index)/\(name)"))
        #expect(first == other, "\(name) of \(settings[index])")
      }
    }
  }

  /// The resolved workload that a run leaves behind gives the same run.
  @Test func workloadFileRepeatsTheRun() throws {
    let scratch = try Scratch()
    _ = try Command.run("tract-sim", ["run", "--output", scratch.file("a")] + small)
    let again = try Command.sim(
      "run", scratch.file("a/workload.json"), "--output", scratch.file("b"))
    #expect(again.status == 0, "\(again.error)")
    for name in ["report.json", "requests.jsonl", "workload.json"] {
      #expect(
        try String(contentsOfFile: scratch.file("a/\(name)"), encoding: .utf8)
          == String(contentsOfFile: scratch.file("b/\(name)"), encoding: .utf8), "\(name)")
    }
  }

  @Test(arguments: ["table", "vllm", "aiperf", "aiperf-json", "csv", "json"]) func formats(
    _ format: String
  ) throws {
    let result = try Command.run("tract-sim", ["run", "--format", format] + small)
    #expect(result.status == 0, "\(result.error)")
    try expectGolden(result.output, "run-\(format).txt")
  }

  @Test(arguments: ["models", "systems", "hardware"]) func catalogue(_ part: String) throws {
    let result = try Command.sim("catalog", part)
    try expectGolden(result.output, "catalog-\(part).txt")
  }
}

@Suite struct CheckTests {
  private let scratch: Scratch
  private let file: String

  init() throws {
    scratch = try Scratch()
    try FileManager.default.createDirectory(
      atPath: scratch.file("base"), withIntermediateDirectories: false)
    file = Command.package.appendingPathComponent("Workloads/examples/quickstart.json").path
  }

  private func check(_ more: String...) throws -> CommandResult {
    try Command.run(
      "tract-sim",
      ["check", file, "--baseline", scratch.file("base"), "--set", "stop.requests=60"]
        + ["--set", "stop.warmup_requests=0"] + more)
  }

  @Test func aSlowerLinkIsNamed() throws {
    #expect(try check().status == 65, "there is no baseline yet")
    #expect(try check("--accept").status == 0)
    let same = try check()
    #expect(same.status == 0)
    #expect(same.output.contains("39 figures within tolerance"))
    // The transfer engine 5 % slower: only systems that use it move, and their TTFT is named.
    let slower = try check("--set", "rack.rdma_engine.bandwidth_gbps=10.45")
    let moved = slower.output.split(separator: "\n").filter { $0.hasPrefix("  ") }
    #expect(slower.status == 1, "\(slower.output)")
    #expect(
      moved.contains {
        $0.contains("nixl") && $0.contains("mean_ttft_ms") && $0.hasSuffix("worse")
      })
    #expect(moved.contains { $0.contains("nixl, parts") && $0.contains("decode kv_read +") })
    #expect(!moved.contains { $0.contains("tract") })
    // A tolerance that allows it.
    let metrics = [
      "mean_ttft_ms", "median_ttft_ms", "p99_ttft_ms", "mean_tpot_ms", "p99_tpot_ms",
      "mean_itl_ms", "mean_e2el_ms", "request_throughput", "request_goodput",
      "output_throughput", "prefix_cache_reused_ratio",
    ]
    let tolerant = try Command.run(
      "tract-sim",
      ["check", file, "--baseline", scratch.file("base"), "--set", "stop.requests=60"]
        + ["--set", "stop.warmup_requests=0", "--set", "rack.rdma_engine.bandwidth_gbps=10.45"]
        + metrics.flatMap { ["--tolerance", "\($0)=30%"] })
    #expect(tolerant.status == 0, "\(tolerant.output)")
  }

  private let slower = ["--set", "rack.rdma_engine.bandwidth_gbps=10.45"]

  /// Tolerances given when a baseline is accepted are its own; those of a later command go before.
  @Test func tolerancesAreKept() throws {
    #expect(try check("--accept", "--tolerance", "mean_ttft_ms=30%").status == 0)
    func moved(_ more: String...) throws -> Bool {
      let result = try Command.run(
        "tract-sim",
        ["check", file, "--baseline", scratch.file("base"), "--set", "stop.requests=60"]
          + ["--set", "stop.warmup_requests=0"] + slower + more)
      return result.output.contains("mean_ttft_ms")
    }
    #expect(try !moved())
    #expect(try moved("--tolerance", "mean_ttft_ms=0.1%"))
    #expect(try check("--accept").status == 0)
    #expect(try !moved(), "accepting again keeps them")
    // A part of the breakdown is compared where it has a tolerance.
    let part = try check("--tolerance", "mean_decode_kv_read_ms=0", "--set", "stop.requests=60")
    #expect(part.output.contains("42 figures"))
  }

  /// A faster link fails as a move, and passes where only what is worse counts.
  @Test func improvementsMayPass() throws {
    _ = try check("--accept", "--set", "rack.rdma_engine.bandwidth_gbps=6")
    let moved = try check("--tolerance", "p99_ttft_ms=50%")
    #expect(moved.status == 1 && moved.output.contains("improved"), "\(moved.output)")
    #expect(moved.output.contains("0 worse"))
    let passed = try check("--tolerance", "p99_ttft_ms=50%", "--fail-on", "worse")
    #expect(passed.status == 0 && passed.output == moved.output)
  }

  @Test func programsReadTheFindings() throws {
    _ = try check("--accept")
    let junit = scratch.file("check.xml")
    let result = try Command.run(
      "tract-sim",
      ["check", file, "--baseline", scratch.file("base"), "--set", "stop.requests=60"]
        + ["--set", "stop.warmup_requests=0", "--junit", junit] + slower,
      environment: ["GITHUB_ACTIONS": "true"])
    #expect(result.status == 1)
    let annotations = result.output.split(separator: "\n").filter { $0.hasPrefix("::") }
    #expect(annotations.count == 2, "one a system that moved: \(result.output)")
    #expect(annotations.allSatisfy { $0.hasPrefix("::error file=") && $0.contains("%0Aparts") })
    let text = try String(contentsOfFile: junit, encoding: .utf8)
    let failures = text.components(separatedBy: "<failure ").count - 1
    #expect(
      text.contains("tests=\"39\" failures=\"\(failures)\" errors=\"0\"") && failures > 3,
      "\(text.prefix(200))")
    #expect(text.components(separatedBy: "<testcase ").count == 40)
    let parser = XMLCounter(text)
    #expect(parser.elements["testcase"] == 39 && parser.elements["failure"] == failures)
  }

  /// Two files whose workloads share a name would share a baseline.
  @Test func namesAreDistinct() throws {
    let copy = scratch.file("copy.json")
    try FileManager.default.copyItem(atPath: file, toPath: copy)
    let result = try Command.sim("check", file, copy, "--baseline", scratch.file("base"))
    #expect(result.status == 65 && result.error.contains("both named \"quickstart\""))
  }

  @Test(arguments: [
    (#"{"schema": "other"}"#, "is no file of schema"),
    (
      #"{"schema": "tract-sim-baseline/1", "name": "x", "systems": {}, "tolerances": {"x": "1%"}}"#,
      "there is no metric \"x\""
    ),
    (
      #"{"schema": "tract-sim-baseline/1", "name": "x", "systems": {}, "tolerances": {"failed": "x"}}"#,
      "tolerances.failed"
    ),
  ]) func badBaselines(text: String, message: String) throws {
    _ = try scratch.write("base/quickstart.json", text)
    for more in [[], ["--accept"]] {
      let result = try Command.run(
        "tract-sim", ["check", file, "--baseline", scratch.file("base")] + more)
      #expect(result.status == 65 && result.error.contains(message), "\(result.error)")
    }
  }

  @Test func aSystemThatIsGoneIsNoticed() throws {
    _ = try check("--accept")
    let result = try check("--systems", "nixl,lmcache")
    #expect(result.status == 1)
    #expect(result.output.contains("tract"))
  }

  @Test func aBrokenBaselineIsBadInput() throws {
    _ = try scratch.write("base/quickstart.json", "{")
    let result = try check()
    #expect(result.status == 65)
    #expect(result.error.contains("quickstart.json"))
  }
}

/// Counts the elements of an XML text whose tags are balanced.
private struct XMLCounter {
  var elements: [String: Int] = [:]

  init(_ text: String) {
    var open: [String] = []
    for match in text.matches(of: #/<(/?)(\w+)([^<>"]*("[^"<]*"[^<>"]*)*?)(/?)>/#) {
      let name = String(match.2)
      if match.1 == "/" {
        guard open.popLast() == name else { return }
      } else {
        elements[name, default: 0] += 1
        if match.5 != "/" { open.append(name) }
      }
    }
    if !open.isEmpty { elements = [:] }
  }
}

@Suite struct PlotTests {
  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/gnuplot")))
  func plotsAreDrawn() throws {
    let scratch = try Scratch()
    let result = try Command.run(
      "tract-sim", ["run", "--plot", "--output", scratch.file("out")] + small)
    #expect(result.status == 0, "\(result.error)")
    for name in ["ttft-cdf", "tpot-cdf", "breakdown", "utilisation"] {
      try check(scratch.file("out/\(name)"), shows: ["nixl", "lmcache", "tract"])
    }
  }

  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/gnuplot")))
  func sweepsAreDrawn() throws {
    let scratch = try Scratch()
    let sweep = try Command.run(
      "tract-sim",
      [
        "sweep", Command.package.appendingPathComponent("Workloads/examples/quickstart.json").path,
        "--vary", "traffic.arrivals.rate_rps=0.5:1.5:0.5", "--seeds", "1..2", "--output",
        scratch.file("sweep"),
      ] + small)
    #expect(sweep.status == 0, "\(sweep.error)")
    let result = try Command.sim("plot", scratch.file("sweep"))
    #expect(result.status == 0, "\(result.error)")
    try check(scratch.file("sweep/sweep"), shows: ["rate_rps", "nixl", "lmcache", "tract"])
  }

  private func check(_ path: String, shows words: [String]) throws {
    let png = try Data(contentsOf: URL(fileURLWithPath: path + ".png"))
    #expect(png.prefix(4) == Data([0x89, 0x50, 0x4E, 0x47]), "\(path)")
    #expect(png.count > 10_000, "\(path): a curve for each system")
    let svg = try String(contentsOfFile: path + ".svg", encoding: .utf8)
    for word in words { #expect(svg.contains(word), "\(path)") }
  }

  /// Another system keeps its colour when a system with a name of its own joins.
  @Test func programsArePrinted() throws {
    let scratch = try Scratch()
    let summary = """
      rate,system,n,mean_ttft_ms,mean_ttft_ms_ci95
      1,nixl,1,5,0
      1,mine,1,4,0
      2,nixl,1,6,0
      2,mine,1,5,0

      """
    _ = try scratch.write("summary.csv", summary)
    let result = try Command.sim("plot", "--script", scratch.folder.path)
    #expect(result.status == 0, "\(result.error)")
    #expect(result.output.contains("array colours[2] = [\"#0072B2\", \"#000000\"]"))
    #expect(result.output.contains("path = 'rate'"))
  }

  @Test func oneAxisOnly() throws {
    let scratch = try Scratch()
    _ = try scratch.write("summary.csv", "a,b,system,n\n1,2,nixl,1\n")
    let result = try Command.sim("plot", scratch.folder.path)
    #expect(result.status == 65)
    #expect(result.error.contains("one varied number, not against a, b"), "\(result.error)")
  }
}

@Suite struct CalibrateTests {
  private let replica = ["--gpu", "rtx-a6000", "--model", "llama-3.1-8b"]
  private let header = "kind,tokens,cached,sequences,context_tokens,milliseconds\n"

  @Test(arguments: [
    ("", "steps.csv:1: the first line must name the columns"),
    ("kind,tokens,cached,sequences,context_tokens,milliseconds\nprefill,x,0,0,0,1\n", ":2: tokens"),
    ("kind,tokens,cached,sequences,context_tokens,milliseconds\nprefill,1,0,0,0,1\n", "cannot fix"),
  ]) func badTables(text: String, fragment: String) throws {
    let scratch = try Scratch()
    let file = try scratch.write("steps.csv", text)
    let result = try Command.run("tract-sim", ["calibrate", file] + replica)
    #expect(result.status == 65)
    #expect(result.output.isEmpty)
    #expect(result.error.contains(fragment), "\(result.error)")
  }

  @Test func noTable() throws {
    let result = try Command.run("tract-sim", ["calibrate", "/nowhere/x.csv"] + replica)
    #expect(result.status == 65)
    #expect(result.error.contains("/nowhere/x.csv"))
  }

  /// What probe gpu prints, fitted anew, is what the catalogue holds.
  @Test func fitsWhatProbePrints() throws {
    let scratch = try Scratch()
    var text = "# from probe gpu\n" + header
    func milliseconds(_ more: String...) throws -> Double {
      let output = try Command.run(
        "tract-sim", ["probe", "gpu", "--format", "json"] + replica + more
      ).output
      return try #require(
        JSONParser.parse(Array(output.utf8))[
          more[0] == "--prefill" ? "prefill_ms" : "decode_ms"]?.value.double)
    }
    for tokens in [16, 256, 4096] {
      for cached in [0, 8192] {
        let time = try milliseconds("--prefill", "\(tokens)", "--cached", "\(cached)")
        text += "prefill,\(tokens),\(cached),,,\(time)\n"
      }
    }
    for batch in [1, 64] {
      for context in [256, 8192] {
        let time = try milliseconds("--decode-batch", "\(batch)", "--context", "\(context)")
        text += "decode,,,\(batch),\(context),\(time)\n"
      }
    }
    let file = try scratch.write("steps.csv", text)
    let table = try Command.run("tract-sim", ["calibrate", file] + replica)
    #expect(table.status == 0, "\(table.error)")
    #expect(table.output.contains("mean error 0.00 %, worst 0.00 %"), "\(table.output)")
    let json = try Command.run("tract-sim", ["calibrate", file, "--format", "json"] + replica)
    let compute = try JSONParser.parse(Array(json.output.utf8))["gpu"]?["rtx-a6000"]?[
      "linear_compute"]
    #expect(abs((compute?["value"]?.value.double ?? 0) - 0.689) < 1e-5)
    #expect(json.output.contains("\"grade\": \"fitted\""))
  }
}
