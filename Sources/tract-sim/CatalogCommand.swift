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
            printLine(key, value(figure), figure.grade, figure.source, figure.note)
          }
        }
      }
    }
    if part == nil || part == .hardware {
      if name == nil || name == "loaded_latency" {
        found = true
        print("loaded_latency")
        for point in catalogue.loadedLatencyPoints {
          let latency = point.latency
          let mix = Decimals.text(point.writeShare, 2)
          printLine(
            "\(point.curves), writes \(mix), at \(value(point.load))", value(latency),
            latency.grade, latency.source, latency.note)
        }
      }
      if name == nil || name == "all_reduce" {
        found = true
        print("all_reduce")
        for point in catalogue.allReducePoints {
          let time = point.time
          printLine(
            "\(point.gpu), \(point.ranks) ranks, \(value(point.bytes))", value(time),
            time.grade, time.source, time.note)
        }
      }
      for rack in catalogue.rackNames where name == nil || name == rack {
        found = true
        printRack(rack, catalogue.racks[rack]!)
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

  private func printRack(_ name: String, _ rack: Catalogue.RackPreset) {
    print("rack \(name)")
    let members = [
      ("prefill", "\(rack.prefill.count) x \(rack.prefill.gpu)"),
      ("prefill_tensor_parallel", "\(rack.prefill.tensorParallel)"),
      ("decode", "\(rack.decode.count) x \(rack.decode.gpu)"),
      ("decode_tensor_parallel", "\(rack.decode.tensorParallel)"),
      ("host", rack.host), ("nic", rack.nic), ("transfer_engine", rack.transferEngine),
      ("dram", rack.dram),
      ("cxl", rack.cxl), ("pcie_duplex", rack.pcieDuplex),
    ]
    for (key, value) in members { printLine(key, value, rack.grade, rack.source, rack.note) }
  }

  private func printLine(
    _ key: String, _ value: String, _ grade: Grade, _ source: String, _ note: String?
  ) {
    print(
      "  " + padded(key, 28) + padded(value, 24) + padded(grade.rawValue, 10)
        + Catalogue.builtIn.citation(source) + (note.map { " (\($0))" } ?? ""))
  }

  private func value(_ figure: Quantity) -> String {
    "\(JSONValue.number(figure.value).text(indented: false)) \(figure.unit)"
  }

  private func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
  }
}
