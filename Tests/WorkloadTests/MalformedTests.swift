// Bad workload files: each is refused with a message that says where and what is allowed.

import Foundation
import Testing
import Workload

private let good = """
  {"name": "t", "model": "llama-3.1-8b", "systems": ["nixl", "tract"],
   "traffic": {"kind": "static", "input_tokens": 100, "output_tokens": 3,
     "arrivals": {"process": "poisson", "rate_rps": 1}},
   "stop": {"requests": 10}}
  """

private func decode(_ text: String, _ overrides: [String] = []) throws(WorkloadError) -> Workload {
  try WorkloadFile.decode(
    Array(text.utf8), name: "t.json", folder: "",
    overrides: overrides.compactMap { WorkloadFile.Override($0) })
}

@Test(arguments: [
  ("seed=-1", "out of range"), ("seed=\"x\"", "expected a whole number"),
  ("model=gpt-9", "the catalogue has"), ("rack.preset=nowhere", "tract-testbed"),
  ("rack.prefill.count=0", "1 to 1024"), ("rack.prefill.gpu=k80", "unknown name"),
  ("rack.prefill.tensor_parallel=3", "allowed are 1"), ("rack.cxl.latency_ns=-4", "above 0"),
  ("rack.decode.pipeline_parallel=0", "1 to 64"), ("rack.decode.pipeline_parallel=2", "1 stage is"),
  ("rack.decode.expert_parallel=true", "has no experts"),
  ("rack.decode.expert_parallel=1", "true or false"),
  ("rack.decode.step_times=nowhere.csv", "nowhere.csv cannot be read: no such file"),
  ("rack.decode.step_times=3", "expected a string"),
  ("rack.cxl.latncy_ns=4", "did you mean \"latency_ns\""),
  ("rack.nic.gpudirect=1", "true or false"), ("rack.nic.hol_coupling=1.5", "out of range"),
  ("rack.nic.staging_kib=0", "above 0"), ("rack.nic.staging_copy_us=-1", "out of range"),
  ("rack.rdma_engine.descriptor_ns=-1", "out of range"),
  ("rack.prefill.power.idle_w=-1", "out of range"), ("rack.prefill.power=89", "expected an object"),
  ("rack.decode.power.idle_w=290", "power must rise from idle_w"),
  ("rack.decode.power.limit_w=250", "a limit that slows steps down is not modelled"),
  ("rack.decode.power.watts=250", "unknown key"), ("rack.host.preset=desk", "ddr4-server"),
  ("rack.host.active_w=100", "is less than idle_w"), ("rack.host.idle_w=true", "expected a number"),
  ("rack.nic.pj_per_bit=-2", "out of range"), ("rack.dram.pj_per_bit=x", "expected a number"),
  ("rack.cxl.idle_w=2e6", "out of range"), ("series_interval_ms=0.5", "allowed are 1 to"),
  ("engine.block_tokens=0", "1 to 8192"), ("engine.watermark=2", "out of range"),
  ("systems=[]", "at least one"), ("systems=[\"nixl\",\"nixl\"]", "stands there already"),
  ("systems=[\"ucx\"]", "unknown system"), ("systems.0.cache_gib=3", "unknown key"),
  ("systems.1.cache_gib=500", "CXL pool"),
  ("systems.1.ready_wait=never", "allowed are \"block\""),
  ("baseline=lmcache", "no system is named"),
  ("router=fastest", "round_robin"), ("traffic.kind=burst", "allowed are"),
  ("traffic.input_tokens=0", "out of range"), ("traffic.arrivals.rate_rps=0", "above 0"),
  ("traffic.arrivals.rate_rps=null", "expected a number"),
  ("traffic.arrivals.process=recorded", "only a trace"),
  ("traffic.arrivals.process=sessions", "only traces and session models"),
  (
    "traffic={\"kind\":\"trace\",\"file\":\"x\",\"arrivals\":{\"process\":\"sessions\",\"rate_rps\":1,\"concurrency\":2}}",
    "does not go with concurrency"
  ),
  ("traffic={\"kind\":\"trace\",\"file\":\"x\",\"from_s\":5,\"to_s\":5}", "leaves nothing"),
  ("traffic={\"kind\":\"trace\",\"file\":\"x\",\"format\":\"parquet\"}", "allowed are \"auto\""),
  ("traffic={\"kind\":\"sessions\",\"model\":\"chat\"}", "agentic-code"),
  ("stop.requests=1.5", "whole number"),
  ("stop.warmup_requests=10", "leaves none"), ("slo.ttft_ms=0", "above 0"),
  ("prices=5", "expected an object"), ("prices.host=-1", "out of range"),
  ("prices.gpu=1", "unknown key"),
  ("faults=[1]", "$.faults[0]: expected an object"),
  ("faults=[{\"kind\":\"flood\"}]", "allowed are \"node_crash\""),
  ("faults=[{\"kind\":\"node_crash\",\"at_s\":1,\"worker\":2}]", "there is no worker 2"),
  ("faults=[{\"kind\":\"node_crash\",\"at_s\":1}]", "$.faults[0].worker"),
  ("faults=[{\"kind\":\"node_crash\",\"worker\":0}]", "$.faults[0].at_s: is missing"),
  ("faults=[{\"kind\":\"node_crash\",\"at_s\":1,\"worker\":0,\"for_s\":1}]", "unknown key"),
  ("faults=[{\"kind\":\"manager_pause\",\"at_s\":1}]", "$.faults[0].for_s: is missing"),
  (
    "faults=[{\"kind\":\"cxl_degradation\",\"at_s\":1,\"for_s\":1,\"latency_factor\":0.5}]",
    "out of range"
  ),
  ("faults=[{\"kind\":\"link_down\",\"at_s\":1,\"for_s\":1,\"link\":\"nic\"}]", "of one worker"),
  (
    "faults=[{\"kind\":\"link_down\",\"at_s\":1,\"for_s\":1,\"link\":\"cxl\",\"worker\":0}]",
    "all workers share"
  ), ("model=llama-3.1-405b", "cannot hold"),
  ("colour=1", "unknown key"),
]) func refuses(override: String, fragment: String) {
  let error = #expect(throws: WorkloadError.self) { try decode(good, [override]) }
  #expect(error?.description.contains(fragment) == true, "\(error?.description ?? "")")
}

@Test(arguments: [
  ("{\"name\": ", "t.json:1"), ("{\"name\": NaN}", "unexpected character"),
  ("{\"a\": 1, \"a\": 2}", "stands twice"), ("[1, 2", "ends inside an array"),
  ("{\"seed\": 1e999}", "out of range"), ("{\n\"x\": tru}", "t.json:2"),
]) func refusesBrokenJSON(text: String, fragment: String) {
  let error = #expect(throws: WorkloadError.self) { try decode(text) }
  #expect(error?.description.contains(fragment) == true, "\(error?.description ?? "")")
}

@Test func reportsEveryProblemAtOnce() {
  let error = #expect(throws: WorkloadError.self) {
    try decode(good, ["seed=-1", "router=x", "stop.requests=0"])
  }
  #expect(error?.problems.count == 3)
}

@Test func theGoodOneIsGoodAndRoundTrips() throws {
  let workload = try decode(good, ["prices={\"host\": 2.5, \"cxl_gib\": 3}"])
  let text = ResolvedWorkload.json(workload).text(indented: true)
  let again = try decode(text)
  #expect(ResolvedWorkload.json(again).text(indented: true) == text)
}

/// A table of measured steps stands beside the workload, and what is wrong in it is said with its line.
@Test func stepTimesAreReadFromATable() throws {
  let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("tract-steps-\(UInt64.random(in: 0 ... .max))")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  let file = folder.appendingPathComponent("steps.csv")
  let header = "kind,tokens,cached,sequences,context_tokens,milliseconds\n"
  func load() throws(WorkloadError) -> Workload {
    try WorkloadFile.decode(
      Array(good.utf8), name: "t.json", folder: folder.path,
      overrides: [
        .init("rack={\"preset\": \"h100-rack\", \"decode\": {\"tensor_parallel\": 2}}"),
        .init("rack.decode.step_times=steps.csv"),
      ].compactMap { $0 })
  }
  try (header + "decode,,,1,100,9\n").write(to: file, atomically: false, encoding: .utf8)
  let workload = try load()
  #expect(workload.rack.prefill.stepTimes == nil)
  #expect(workload.rack.decode.stepTimes?.rows.map(\.seconds) == [0.009])
  // Measured steps hold the engine's overhead already.
  #expect(workload.engine.stepOverheadSeconds == 0)
  let resolved = ResolvedWorkload.json(workload).text(indented: true)
  #expect(try ResolvedWorkload.json(decode(resolved)).text(indented: true) == resolved)
  try (header + "decode,,,1,100,0\n").write(to: file, atomically: false, encoding: .utf8)
  let error = #expect(throws: WorkloadError.self) { try load() }
  #expect(error?.description.contains("steps.csv:2: milliseconds: expected") == true)
  try (header + "prefill,9,0,,,9\n").write(to: file, atomically: false, encoding: .utf8)
  let other = #expect(throws: WorkloadError.self) { try load() }
  #expect(other?.description.contains("has no decode steps") == true)
}
