// What a GPU's memory leaves for KV.

/// Splits a worker's GPU memory between weights, activations and KV.
public enum MemoryFit {
  /// Bytes for KV over all GPUs of one replica, each part counted once however many ranks hold it;
  /// negative if the weights do not fit.
  ///
  /// `utilization` of each GPU's memory is usable, as in vLLM; of it, weights (divided among all
  /// GPUs) and a fixed reserve for activations go first.
  public static func kvBytes(
    pool: WorkerPool, model: ModelSpec, weights: NumberFormat, utilization: Double,
    reserveBytes: Int
  ) -> Int {
    let usable = Int(Double(pool.gpu.memoryBytes) * utilization)
    let free = (usable - reserveBytes) * pool.gpuCount - model.parameters * weights.bytes
    return free / model.kvCopies(tensorParallel: pool.tensorParallel)
  }
}
