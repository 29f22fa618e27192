// What of a run `--timeline` records.

import ArgumentParser
import Foundation
import JSONText
import Report

struct TimelineOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Record the run for ui.perfetto.dev or chrome://tracing; with .gz compressed.",
      valueName: "file"))
  var timeline: String?

  @Option(
    help: ArgumentHelp("Record this span of the run only, in seconds.", valueName: "from..to"))
  var timelineWindow: String?

  @Option(
    help: ArgumentHelp("Record one request in so many, and what is done for it.", valueName: "n"))
  var timelineEvery: Int?

  func validate() throws {
    if timeline == nil, timelineWindow != nil || timelineEvery != nil {
      throw ValidationError("'--timeline-window' and '--timeline-every' need '--timeline FILE'")
    }
    if let timelineEvery, timelineEvery < 1 {
      throw ValidationError("'--timeline-every \(timelineEvery)' is out of range; use 1 or more")
    }
    _ = try window()
  }

  private func window() throws -> ClosedRange<Double> {
    guard let timelineWindow else { return 0...Double.infinity }
    let ends = timelineWindow.components(separatedBy: "..").map(Double.init)
    guard ends.count == 2, let from = ends[0], let to = ends[1], from >= 0, from < to, to.isFinite
    else {
      throw ValidationError(
        "'--timeline-window \(timelineWindow)' is no span; write seconds as 10..12.5")
    }
    return from...to
  }

  /// The file to record into; nil without one.
  func open() throws -> TimelineFile? {
    guard let timeline else { return nil }
    let scope = TimelineScope(window: try window(), everyRequest: timelineEvery ?? 1)
    return try Exit.writing { try TimelineFile(path: timeline, scope: scope) }
  }
}
