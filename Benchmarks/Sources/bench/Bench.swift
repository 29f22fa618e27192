// `bench micro [NAME]` and `bench run NAME FILE [path=value ...]`: one JSON object a line.

import Foundation
import JSONText

@main enum Bench {
  static func main() throws {
    var arguments = CommandLine.arguments.dropFirst()
    switch arguments.popFirst() {
    case "micro":
      Micro.run(filter: arguments.first) { print($0.line) }
    case "run":
      guard let name = arguments.popFirst(), let file = arguments.popFirst() else { usage() }
      print(try WholeRun.measure(name: name, file: file, overrides: Array(arguments)).line)
    default: usage()
    }
  }

  private static func usage() -> Never {
    FileHandle.standardError.write(
      Data("usage: bench micro [NAME] | bench run NAME FILE [path=value ...]\n".utf8))
    exit(64)
  }
}

/// One benchmark's figures.
struct BenchResult {
  var name: String
  var figures: [(key: String, value: Double)]

  var line: String {
    JSONValue.object(
      [("benchmark", JSONNode(.string(name)))]
        + figures.map { ($0.key, JSONNode(.number($0.value))) }
    ).text(indented: false)
  }
}

/// CPU time of this process, user and system, seconds.
func processorSeconds() -> Double {
  var usage = rusage()
  getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
  func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) * 1e-6 }
  return seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// Largest resident set of this process so far, MiB.
func peakMemoryMiB() -> Double {
  var usage = rusage()
  getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
  return Double(usage.ru_maxrss) / 1024
}
