// The catalogue: every hardware and software figure with its unit, source and grade.

import Foundation

/// How a figure came about.
public enum Grade: String, Codable, CaseIterable, Sendable {
  /// Printed by a public measurement.
  case measured
  /// Stated by the vendor.
  case spec
  /// The project's fit to public measurements.
  case fitted
  /// No source; sweep it.
  case assumed
}

/// One figure and where it comes from.
public struct Quantity: Hashable, Codable, Sendable {
  public var value: Double
  public var unit: String
  /// Key into `Catalogue.sources`.
  public var source: String
  public var grade: Grade
  public var note: String?

  /// The value in SI units (bytes, bytes/s, flop/s, seconds, watts, joules a byte); plain numbers
  /// stay.
  public var si: Double {
    switch unit {
    case "TFLOP/s": value * 1e12
    case "GB/s": value * 1e9
    case "GiB": value * 1_073_741_824
    case "MiB": value * 1_048_576
    case "ms": value * 1e-3
    case "us": value * 1e-6
    case "ns": value * 1e-9
    case "pJ/bit": value * 8e-12
    default: value
    }
  }
}

/// Named hardware, models, software constants and racks.
public struct Catalogue: Sendable {
  /// Sections whose entries are tables of figures.
  public enum Section: String, CaseIterable, Sendable {
    case gpu, model, host, nic, dram, cxl, software
    case transferEngine = "transfer_engine"
  }

  public struct RackPreset: Codable, Sendable {
    public var prefill: Pool
    public var decode: Pool
    public var host: String
    public var nic: String
    public var transferEngine: String
    public var dram: String
    public var cxl: String
    public var pcieDuplex: String
    /// Key into `Catalogue.sources`: where this composition comes from.
    public var source: String
    public var grade: Grade
    public var note: String

    enum CodingKeys: String, CodingKey {
      case prefill, decode, host, nic, dram, cxl, source, grade, note
      case transferEngine = "transfer_engine"
      case pcieDuplex = "pcie_duplex"
    }
  }

  /// `[count, gpu, tensor-parallel size]` in the resource.
  public struct Pool: Codable, Sendable {
    public var count: Int
    public var gpu: String
    public var tensorParallel: Int

    public init(from decoder: any Decoder) throws {
      var values = try decoder.unkeyedContainer()
      count = try values.decode(Int.self)
      gpu = try values.decode(String.self)
      tensorParallel = try values.decode(Int.self)
    }

    public func encode(to encoder: any Encoder) throws {
      var values = encoder.unkeyedContainer()
      try values.encode(count)
      try values.encode(gpu)
      try values.encode(tensorParallel)
    }
  }

  /// Measured latencies of one device; the last point of each curve is at saturation.
  private struct Curves: Codable {
    struct Curve: Codable {
      var writeShare: Double
      var points: [[Double]]

      enum CodingKeys: String, CodingKey {
        case points
        case writeShare = "write_share"
      }
    }

    var source: String
    var grade: Grade
    /// Of the load; latencies are in ns.
    var unit: String
    var idleNanoseconds: Double
    var note: String
    var curves: [Curve]

    enum CodingKeys: String, CodingKey {
      case source, grade, unit, note, curves
      case idleNanoseconds = "idle_ns"
    }

    var figures: [(writeShare: Double, load: Quantity, latency: Quantity)] {
      func quantity(_ value: Double, _ unit: String) -> Quantity {
        Quantity(value: value, unit: unit, source: source, grade: grade, note: note)
      }
      return curves.flatMap { curve in
        curve.points.map {
          (curve.writeShare, quantity($0[0], unit), quantity($0[1], "ns"))
        }
      }
    }

    func named(_ name: String) -> LoadedLatency {
      LoadedLatency(
        name: name,
        curves: curves.map { curve in
          let saturation = curve.points[curve.points.count - 1][0]
          let points = curve.points.map {
            LoadedLatencyCurve.Point(
              utilisation: $0[0] / saturation, factor: $0[1] / idleNanoseconds)
          }
          return .init(
            writeShare: curve.writeShare,
            curve: LoadedLatencyCurve(points: [.init(utilisation: 0, factor: 1)] + points))
        })
    }
  }

  /// Measured times of all-reduces on one kind of GPU.
  private struct AllReduces: Codable {
    var source: String
    var grade: Grade
    var note: String
    /// By number of ranks: bytes that each rank contributes, and us.
    var ranks: [String: [[Double]]]

    var curves: [Int: AllReduceCurve] {
      Dictionary(
        uniqueKeysWithValues: ranks.map { ranks, points in
          (
            Int(ranks)!,
            AllReduceCurve(points: points.map { .init(bytes: $0[0], seconds: $0[1] * 1e-6) })
          )
        })
    }

    var figures: [(ranks: Int, bytes: Quantity, time: Quantity)] {
      func quantity(_ value: Double, _ unit: String) -> Quantity {
        Quantity(value: value, unit: unit, source: source, grade: grade, note: note)
      }
      return ranks.map { (Int($0.key)!, $0.value) }.sorted { $0.0 < $1.0 }.flatMap {
        ranks, points in
        points.map { (ranks, quantity($0[0], "B"), quantity($0[1], "us")) }
      }
    }
  }

  /// Whose curves a device has.
  private struct CurvesOf: Codable {
    var curves: String
    var grade: Grade
    var note: String?
  }

  private struct Resource: Codable {
    var schema: String
    var sources: [String: String]
    var gpu, model, host, nic, dram, cxl, software: [String: [String: Quantity]]
    var transferEngine: [String: [String: Quantity]]
    var loadedLatency: [String: Curves]
    /// By device of `cxl`.
    var loadedLatencyOf: [String: CurvesOf]
    var allReduce: [String: AllReduces]
    /// By GPU.
    var allReduceOf: [String: CurvesOf]
    var rack: [String: RackPreset]
    /// Other names of entries, by section.
    var aliases: [String: [String: String]]

    enum CodingKeys: String, CodingKey {
      case schema, sources, gpu, model, host, nic, dram, cxl, software, rack, aliases
      case transferEngine = "transfer_engine"
      case loadedLatency = "loaded_latency"
      case loadedLatencyOf = "loaded_latency_of"
      case allReduce = "all_reduce"
      case allReduceOf = "all_reduce_of"
    }
  }

  /// The catalogue that ships with the program.
  public static let builtIn: Catalogue = {
    do {
      return Catalogue(
        try JSONDecoder().decode(
          Resource.self, from: Data(PackageResources.catalogue_json)))
    } catch {
      preconditionFailure("the built-in catalogue is broken: \(error)")
    }
  }()

  /// Full citation of each source key.
  public let sources: [String: String]
  public let racks: [String: RackPreset]
  private let tables: [Section: [String: [String: Quantity]]]
  private let aliases: [String: [String: String]]
  private let curves: [String: LoadedLatency]
  private let curvesOf: [String: String]
  private let allReduces: [String: [Int: AllReduceCurve]]
  private let allReduceOf: [String: String]
  /// The measured points behind the curves, as figures with a name each.
  public let loadedLatencyPoints:
    [(curves: String, writeShare: Double, load: Quantity, latency: Quantity)]
  /// The measured points behind the times of all-reduces.
  public let allReducePoints: [(gpu: String, ranks: Int, bytes: Quantity, time: Quantity)]

  private init(_ resource: Resource) {
    sources = resource.sources
    racks = resource.rack
    aliases = resource.aliases
    tables = [
      .gpu: resource.gpu, .model: resource.model, .host: resource.host, .nic: resource.nic,
      .dram: resource.dram, .cxl: resource.cxl, .software: resource.software,
      .transferEngine: resource.transferEngine,
    ]
    curves = Dictionary(
      uniqueKeysWithValues: resource.loadedLatency.map { ($0.key, $0.value.named($0.key)) })
    curvesOf = resource.loadedLatencyOf.mapValues(\.curves)
    allReduces = resource.allReduce.mapValues(\.curves)
    allReduceOf = resource.allReduceOf.mapValues(\.curves)
    allReducePoints = resource.allReduce.keys.sorted().flatMap { gpu in
      resource.allReduce[gpu]!.figures.map { (gpu, $0.ranks, $0.bytes, $0.time) }
    }
    loadedLatencyPoints = resource.loadedLatency.keys.sorted().flatMap { name in
      resource.loadedLatency[name]!.figures.map { (name, $0.writeShare, $0.load, $0.latency) }
    }
  }

  /// Names of measured families of loaded latencies, ascending.
  public var loadedLatencyNames: [String] { curves.keys.sorted() }

  /// Latency of a small access against the load on its path; nil if there are no such curves.
  public func loadedLatency(_ name: String) -> LoadedLatency? { curves[name] }

  /// The curves of a CXL device.
  /// - Precondition: the built-in catalogue has them; tests cover every device.
  func loadedLatency(ofDevice name: String) -> LoadedLatency {
    guard let found = curvesOf[canonical(.cxl, name)].flatMap({ curves[$0] }) else {
      preconditionFailure("the catalogue has no loaded latency of '\(name)'")
    }
    return found
  }

  /// Times of all-reduces by number of ranks; none if the catalogue has none for this GPU.
  func allReduce(ofGPU name: String) -> [Int: AllReduceCurve] {
    allReduceOf[canonical(.gpu, name)].flatMap { allReduces[$0] } ?? [:]
  }

  /// Names in a section, ascending.
  public func names(in section: Section) -> [String] { (tables[section] ?? [:]).keys.sorted() }

  /// The name under which an entry stands: `name` itself, or what it is another name of.
  public func canonical(_ section: Section, _ name: String) -> String {
    aliases[section.rawValue]?[name] ?? name
  }

  /// The figures of one entry, ascending by name; nil if there is no such entry.
  public func figures(_ section: Section, _ name: String) -> [(name: String, Quantity)]? {
    tables[section]?[canonical(section, name)].map { table in
      table.keys.sorted().map { ($0, table[$0]!) }
    }
  }

  /// The citation behind a source key.
  /// - Precondition: the built-in catalogue has it; a test covers every key used.
  public func citation(_ source: String) -> String {
    guard let citation = sources[source] else {
      preconditionFailure("the catalogue has no source '\(source)'")
    }
    return citation
  }

  /// One figure of an entry.
  func figure(_ section: Section, _ name: String, _ key: String) -> Quantity? {
    tables[section]?[canonical(section, name)]?[key]
  }

  /// A software constant, in SI units.
  /// - Precondition: the built-in catalogue has it; tests cover every name used.
  public func software(_ name: String) -> Double {
    guard let quantity = figure(.software, name, "value") else {
      preconditionFailure("the catalogue has no software constant '\(name)'")
    }
    return quantity.si
  }
}
