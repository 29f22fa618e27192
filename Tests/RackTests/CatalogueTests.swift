// The catalogue's completeness: value, unit, source and grade of everything in it.

import Foundation
import Rack
import Testing

/// Every figure with a name for messages.
private let figures: [(name: String, Quantity)] = {
  let catalogue = Catalogue.builtIn
  let tables = Catalogue.Section.allCases.flatMap { section in
    catalogue.names(in: section).flatMap { entry in
      (catalogue.figures(section, entry) ?? []).map {
        (name: "\(section.rawValue).\(entry).\($0.name)", $0.1)
      }
    }
  }
  let curve = catalogue.loadedLatencyPoints.flatMap {
    [(name: "loaded_latency", $0.load), (name: "loaded_latency", $0.latency)]
  }
  let reduces = catalogue.allReducePoints.flatMap {
    [(name: "all_reduce", $0.bytes), (name: "all_reduce", $0.time)]
  }
  return tables + curve + reduces
}()

@Test func everyFigureIsComplete() {
  // A grade cannot be missing: figures without one do not decode.
  let units: Set = [
    "1", "fraction", "B", "MiB", "GiB", "GB/s", "TFLOP/s", "ns", "us", "ms", "s", "tokens",
    "blocks",
    "requests", "W", "pJ/bit",
  ]
  #expect(figures.count > 300)
  for (name, figure) in figures {
    #expect(figure.value.isFinite, "\(name)")
    #expect(units.contains(figure.unit), "\(name) has unit '\(figure.unit)'")
    let citation = Catalogue.builtIn.sources[figure.source]
    #expect(citation != nil, "\(name) names a source that there is not: \(figure.source)")
  }
}

/// What the project chose itself is assumed, and nothing but a choice is without a source.
@Test func ownChoicesAreAssumed() {
  for (name, figure) in figures where figure.source == "tract-sim" {
    #expect(figure.grade == .assumed, "\(name)")
  }
}

@Test func citationsCanBePrintedAndAreUsed() {
  let catalogue = Catalogue.builtIn
  let used = Set(figures.map(\.1.source)).union(catalogue.racks.values.map(\.source))
  for (key, citation) in catalogue.sources {
    // One line that names a work, where there is one to name.
    #expect(!citation.contains { $0.isNewline }, "\(key)")
    #expect(citation.count >= 10 && citation.contains(" "), "\(key): '\(citation)'")
    #expect(!citation.contains("/work") && !citation.contains("/tmp"), "\(key)")
    #expect(used.contains(key), "nothing cites \(key)")
  }
  for (name, rack) in catalogue.racks {
    #expect(catalogue.rack(name) != nil, "\(name)")
    #expect(catalogue.sources[rack.source] != nil, "\(name)")
  }
}

@Test func softwareConstantsAreWhatTheCodeAsksFor() throws {
  let catalogue = Catalogue.builtIn
  for name in catalogue.names(in: .software) {
    let keys = try #require(catalogue.figures(.software, name)).map(\.name)
    #expect(keys == ["value"], "\(name)")
  }
}
