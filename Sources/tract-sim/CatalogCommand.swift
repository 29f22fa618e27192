// `tract-sim catalog`: the figures models are made of, with unit, source and grade.

import ArgumentParser
import JSONText
import Rack
import Report
import Workload

struct CatalogCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "catalog", abstract: "Print the catalogue: values, units, sources, grades.")

  enum Part: String, CaseIterable, ExpressibleByArgument { case hardware, models, systems }

  @Argument(help: "hardware, models or systems; all without it.") var part: Part?
  @Argument(help: "One entry.") var name: String?

  func run() throws {
    let catalogue = Catalogue.builtIn
    var found = false
    if part != .systems {
      let sections = Catalogue.Section.allCases.filter {
        part == nil || ($0 == .model) == (part == .models)
      }
      for section in sections {
        let wanted = name.map { catalogue.canonical(section, $0) }
        for entry in catalogue.names(in: section) where wanted == nil || wanted == entry {
          found = true
          print("\(section.rawValue) \(entry)")
          for (key, figure) in catalogue.figures(section, entry) ?? [] {
            let value = JSONValue.number(figure.value).text(indented: false)
            var line = "  " + padded(key, 28) + padded("\(value) \(figure.unit)", 24)
            line += padded(figure.grade.rawValue, 10) + (catalogue.sources[figure.source] ?? "?")
            if let note = figure.note { line += " (\(note))" }
            print(line)
          }
        }
      }
    }
    if part == nil || part == .systems {
      for kind in SystemKind.allCases where name == nil || name == kind.rawValue {
        found = true
        print("system \(kind.rawValue)\n  parameters: \(kind.parameters.joined(separator: ", "))")
      }
    }
    if !found { throw ValidationError("the catalogue has no '\(name ?? "")'") }
  }

  private func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
  }
}
