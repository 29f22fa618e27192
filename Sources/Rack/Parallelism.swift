// Which ways of dividing a model over GPUs have figures.

extension StepTimeModel {
  /// Why there is no step time for a way of dividing a model over GPUs, in words; nil if there is.
  public static func obstacle(
    gpu: GPUSpec, model: ModelSpec, tensorParallel: Int, pipelineParallel: Int = 1,
    expertParallel: Bool = false
  ) -> String? {
    let sizes = [1] + gpu.allReduce.keys.sorted()
    guard sizes.contains(tensorParallel) else {
      let allowed = sizes.map(String.init).joined(separator: ", ")
      return "\(gpu.name) has no all-reduce measurement for \(tensorParallel) ranks; "
        + "allowed are \(allowed)"
    }
    guard (1...model.layers).contains(pipelineParallel) else {
      return "\(model.name) has \(model.layers) layers for \(pipelineParallel) pipeline stages; "
        + "allowed are 1 to \(model.layers)"
    }
    if pipelineParallel > 1, gpu.allReduce[2] == nil {
      return "\(gpu.name) has no figure for what pipeline stages send each other; "
        + "1 stage is allowed"
    }
    guard expertParallel else { return nil }
    guard let experts = model.experts else {
      return "\(model.name) has no experts to put on ranks of their own"
    }
    guard tensorParallel > 1, experts.count.isMultiple(of: tensorParallel) else {
      return "\(experts.count) experts cannot be dealt to \(tensorParallel) ranks; "
        + "use 2, 4 or 8 tensor-parallel ranks"
    }
    return gpu.allToAllBandwidth == nil
      ? "\(gpu.name) has no all-to-all figure for experts on ranks of their own" : nil
  }
}
