// Whatever a random workload asks for, the laws hold.

import EventKernel
import Report
import Testing
import Workload

@Suite struct RandomWorkloadTests {
  @Test(arguments: UInt64(1)...24) func lawsHold(seed: UInt64) throws {
    let workload = try WorkloadFile.decode(
      Array(RandomWorkload.text(seed: seed).utf8), name: "seed \(seed)", folder: "")
    let comparison = try Comparison(workload, jobs: 1)
    #expect(comparison.violations == [], "seed \(seed)")
    for run in comparison.runs {
      // Nothing fails without a reason, and everything that fits completes.
      let failures = run.requests.filter { $0.outcome != .completed }
      #expect(failures.isEmpty, "seed \(seed), \(run.system.name): \(failures.map(\.outcome))")
    }
  }
}
