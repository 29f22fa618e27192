// `run --html`: one file that needs nothing beside it.

import Foundation
import Testing

@Suite struct HTMLTests {
  private func page(_ scratch: Scratch, _ name: String, _ more: [String] = []) throws -> String {
    let path = scratch.file(name)
    let result = try Command.run(
      "tract-sim",
      [
        "run", "--html", path, "--systems", "nixl,tract", "--set", "stop.requests=40", "--set",
        "stop.warmup_requests=5",
      ] + more)
    #expect(result.status == 0, "\(result.error)")
    return try String(contentsOfFile: path, encoding: .utf8)
  }

  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/gnuplot")))
  func standsAlone() throws {
    let scratch = try Scratch()
    let html = try page(
      scratch, "a.html", ["--set", "name=<b>\"R&D\"", "--set", "rack.nic.tx_gbps=25"])

    #expect(!html.contains("<b>"), "names are text")
    #expect(html.contains("<h1>&lt;b&gt;&quot;R&amp;D&quot;</h1>"))
    #expect(!html.contains("<script") && !html.contains("<link") && !html.contains("src="))
    let addresses = Set(html.matches(of: #/="https?:\/\/[^"]*"/#).map { String($0.output) })
    #expect(addresses == ["=\"http://www.w3.org/1999/xlink\""], "a namespace, not a request")

    let ids = html.matches(of: #/\sid=["']([^"']+)["']/#).map { String($0.output.1) }
    #expect(Set(ids).count == ids.count, "every identifier once, over all plots")
    let targets = html.matches(of: #/href=["']#([^"']+)["']/#).map { String($0.output.1) }
    #expect(!targets.isEmpty && Set(targets).isSubset(of: ids))
    #expect(html.components(separatedBy: "<svg class=\"plot\"").count == 5, "four plots")
    #expect(html.components(separatedBy: "</svg>").count == 5)

    #expect(html.contains("<code>rack.nic.tx_gbps</code></th><td>12.22</td><td>25</td>"))
    #expect(!html.contains("<code>rack.nic.rx_gbps</code></th><td>"), "only what departs")
    #expect(html.contains("cxl niagara2") && html.contains("gpu rtx-a6000"))
  }

  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/gnuplot")))
  func repeatsItself() throws {
    let scratch = try Scratch()
    #expect(try page(scratch, "a.html") == page(scratch, "b.html"))
    let left = try FileManager.default.contentsOfDirectory(atPath: scratch.folder.path)
    #expect(left.sorted() == ["a.html", "b.html"])
  }

  @Test func unwritablePage() throws {
    let scratch = try Scratch()
    let result = try Command.sim(
      "run", "--html", scratch.file("no/such/folder.html"), "--set", "stop.requests=3", "--set",
      "stop.warmup_requests=0")
    #expect(result.status == 73, "\(result.error)")
  }
}
