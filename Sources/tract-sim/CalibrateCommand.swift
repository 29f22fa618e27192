// `tract-sim calibrate`: fits the step-time formula to measured steps.

import ArgumentParser
import JSONText
import Rack
import Report

struct CalibrateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate",
    abstract: "Fit a GPU's step-time parameters to a table of measured steps.",
    discussion: """
      The table has the columns \(StepTimeTable.columns.joined(separator: ",")); kinds are prefill \
      (new and earlier tokens of one prompt), decode (sequences, and the context of each) and mixed \
      (both in one step). Calibration/measure_gpu.py writes one. Exit code 65 if it is malformed or \
      too short.
      """)

  @Argument(help: "CSV of measured steps.") var table: String
  @OptionGroup var replica: ReplicaOptions
  @Option(help: "table, or json: a fragment of the catalogue.") var format = ProbeFormat.table

  func run() throws {
    let replica = try replica.resolved()
    do {
      let steps = try StepTimeTable(file: table, text: try AtomicFile.read(table))
      let calibration = try StepTimeCalibration(
        table: steps, gpu: replica.gpu, model: replica.model,
        tensorParallel: replica.tensorParallel, weights: replica.weights, kv: replica.kv)
      let ranks = replica.tensorParallel
      let report = CalibrationReport(
        calibration, table: steps, gpu: replica.gpu.name,
        setting: "\(replica.model.name), \(ranks) \(ranks == 1 ? "rank" : "ranks"), weights "
          + "\(replica.weights.rawValue), KV \(replica.kv.rawValue)")
      switch format {
      case .table: print(report.text, terminator: "")
      case .json: print(report.catalogueFragment.text(indented: true))
      }
    } catch let error as FileError {
      throw Exit.fail(Exit.badInput, "\(error)")
    } catch let error as StepTimeTableError {
      throw Exit.fail(Exit.badInput, "\(error)")
    } catch let error as CalibrationError {
      throw Exit.fail(Exit.badInput, "\(table): \(error)")
    }
  }
}
