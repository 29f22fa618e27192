// Which of the catalogue's figures a workload rests on, and where it departs from them.

import JSONText
import Rack
import Workload

/// The catalogue entries behind a workload.
public struct CatalogueUse {
  public struct Figure {
    public var name: String
    /// With its unit.
    public var value: String
    public var grade: Grade
    /// The whole citation.
    public var source: String
    public var note: String?
  }

  public struct Entry {
    /// Section and name.
    public var title: String
    public var figures: [Figure]
  }

  /// A rack key whose value is not the catalogue's.
  public struct Change {
    public var path: String
    public var catalogue: String
    public var workload: String
  }

  public private(set) var entries: [Entry] = []
  public private(set) var changes: [Change] = []

  public init(_ workload: Workload, catalogue: Catalogue = .builtIn) {
    let rack = workload.rack
    var names: [(Catalogue.Section, String)] = [(.model, workload.model.name)]
    names.append((.gpu, rack.prefill.gpu.name))
    if rack.decode.gpu.name != rack.prefill.gpu.name { names.append((.gpu, rack.decode.gpu.name)) }
    names += [
      (.host, rack.host.name), (.nic, rack.nic.name), (.transferEngine, rack.rdmaEngine.name),
      (.dram, rack.dram.name), (.cxl, rack.cxl.name),
    ]
    names += catalogue.names(in: .software).map { (.software, $0) }
    for (section, name) in names {
      let figures = (catalogue.figures(section, name) ?? []).map { key, quantity in
        Figure(
          name: section == .software ? name : key,
          value: JSONValue.number(quantity.value).text(indented: false)
            + (quantity.unit == "1" ? "" : " \(quantity.unit)"),
          grade: quantity.grade, source: catalogue.citation(quantity.source), note: quantity.note)
      }
      let title = section == .software ? "software" : "\(section.rawValue) \(name)"
      if let last = entries.indices.last, entries[last].title == title {
        entries[last].figures += figures
      } else {
        entries.append(Entry(title: title, figures: figures))
      }
    }
    changes = Self.changes(workload, catalogue)
  }

  /// Figures of one grade among all that are used.
  public func count(of grade: Grade) -> Int {
    entries.reduce(0) { $0 + $1.figures.count { $0.grade == grade } }
  }

  /// Compares the rack, as a workload file would say it, with one made of its entries unchanged.
  private static func changes(_ workload: Workload, _ catalogue: Catalogue) -> [Change] {
    let rack = workload.rack
    var plain = rack
    if let gpu = catalogue.gpu(rack.prefill.gpu.name) { plain.prefill.gpu = gpu }
    if let gpu = catalogue.gpu(rack.decode.gpu.name) { plain.decode.gpu = gpu }
    if let host = catalogue.host(rack.host.name) { plain.host = host }
    if let host = catalogue.host(rack.host.name) { plain.host = host }
    if let nic = catalogue.nic(rack.nic.name) { plain.nic = nic }
    if let dram = catalogue.dram(rack.dram.name) { plain.dram = dram }
    if let cxl = catalogue.cxl(rack.cxl.name) { plain.cxl = cxl }
    if let engine = catalogue.transferEngine(rack.rdmaEngine.name) { plain.rdmaEngine = engine }
    let before = Dictionary(
      leaves(ResolvedWorkload.rack(plain), "rack"), uniquingKeysWith: { first, _ in first })
    return leaves(ResolvedWorkload.rack(rack), "rack").compactMap { path, value in
      guard let old = before[path], old != value else { return nil }
      return Change(path: path, catalogue: old, workload: value)
    }
  }

  private static func leaves(_ value: JSONValue, _ path: String) -> [(String, String)] {
    guard case .object(let members) = value else { return [(path, value.text(indented: false))] }
    return members.flatMap { leaves($0.value.value, "\(path).\($0.key)") }
  }
}
