// Options that name one model replica: GPU, model, ranks, number formats.

import ArgumentParser
import Rack

/// Options shared by the commands that ask about one replica.
struct ReplicaOptions: ParsableArguments {
  @Option(help: "GPU of the catalogue.") var gpu: String
  @Option(help: "Model of the catalogue.") var model: String
  @Option(help: "Tensor-parallel ranks.") var tp = 1
  @Option(help: "Weights: bf16 or fp8.") var dtype = "bf16"
  @Option(help: "KV: bf16 or fp8; as the weights without.") var kvDtype: String?

  struct Replica {
    var gpu: GPUSpec
    var model: ModelSpec
    var tensorParallel: Int
    var weights, kv: NumberFormat
  }

  /// The catalogue's entries, if they have figures for being divided so.
  /// - Throws: a usage error that names what there is.
  func resolved(pipelineParallel: Int = 1, expertParallel: Bool = false) throws -> Replica {
    let catalogue = Catalogue.builtIn
    guard let spec = catalogue.gpu(gpu) else {
      throw ValidationError(
        "unknown GPU; there are \(catalogue.names(in: .gpu).joined(separator: ", "))")
    }
    guard let shape = catalogue.model(model) else {
      throw ValidationError(
        "unknown model; there are \(catalogue.names(in: .model).joined(separator: ", "))")
    }
    if let obstacle = StepTimeModel.obstacle(
      gpu: spec, model: shape, tensorParallel: tp, pipelineParallel: pipelineParallel,
      expertParallel: expertParallel)
    {
      throw ValidationError(obstacle)
    }
    return Replica(
      gpu: spec, model: shape, tensorParallel: tp, weights: try format(dtype, "--dtype"),
      kv: try format(kvDtype ?? dtype, "--kv-dtype"))
  }

  private func format(_ name: String, _ option: String) throws -> NumberFormat {
    guard let format = NumberFormat(rawValue: name) else {
      throw ValidationError("unknown \(option) '\(name)'; there are bf16 and fp8")
    }
    return format
  }
}
