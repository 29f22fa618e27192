// The points of a sweep: axes, grids, shards.

import Report
import Testing

@Test(arguments: [
  ("a=1,2,4", ["1", "2", "4"]),
  ("a.b=0.1:0.5:0.1", ["0.1", "0.2", "0.3", "0.4", "0.5"]),
  ("a=1:64:x2", ["1", "2", "4", "8", "16", "32", "64"]),
  ("a=0.25:1:x2", ["0.25", "0.5", "1"]),
  ("a=2:2:1", ["2"]), ("a=2..4", ["2", "3", "4"]), ("a=4..2", ["4..2"]),
  (#"systems=["nixl","tract"],["ideal"]"#, [#"["nixl","tract"]"#, #"["ideal"]"#]),
  (#"name="x,y",z"#, [#""x,y""#, "z"]),
  ("time=a:b:c", ["a:b:c"]),
]) func axis(text: String, values: [String]) throws {
  #expect(try SweepAxis(text).values == values)
}

@Test(arguments: [
  "a", "=1", "a=", "a=1:2:0", "a=1:2:-1", "a=2:1:1", "a=0:1:x2", "a=1:2:x1", "a=1,1",
  "a=0:1e9:1e-9", "a=1:2:nan", "a=1:2:",
]) func badAxis(text: String) { #expect(throws: SweepError.self) { try SweepAxis(text) } }

@Test func seeds() throws {
  #expect(try SweepAxis(seeds: "1..3").values == ["1", "2", "3"])
  #expect(try SweepAxis(seeds: "7,1").values == ["7", "1"])
  for text in ["", "3..1", "x", "1,1", "-1..2", "0..99999999"] {
    #expect(throws: SweepError.self) { try SweepAxis(seeds: text) }
  }
}

@Test func theLastAxisChangesFastest() throws {
  let grid = try SweepGrid([SweepAxis("a=1,2"), SweepAxis("b=x,y,z")])
  #expect(grid.count == 6)
  #expect((0..<6).map { grid.values(of: $0).joined() } == ["1x", "1y", "1z", "2x", "2y", "2z"])
  #expect(try SweepGrid([]).count == 1)
  #expect(throws: SweepError.self) { try SweepGrid([SweepAxis("a=1"), SweepAxis("a=2")]) }
  let wide = try SweepAxis("a=1:2000:1")
  #expect(throws: SweepError.self) { try SweepGrid([wide, SweepAxis("b=1:2000:1")]) }
}

@Test func shardsShareThePoints() throws {
  let shards = try (1...3).map { try SweepShard("\($0)/3") }
  for point in 0..<10 { #expect(shards.count { $0.has(point) } == 1) }
  for text in ["0/3", "4/3", "1", "a/b", "1/0", "1/2/3"] {
    #expect(throws: SweepError.self) { try SweepShard(text) }
  }
}
