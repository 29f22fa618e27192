// Transfers of blocks: copies between a host's GPUs and its DRAM or the CXL pool, and RDMA.

import EventKernel
import Rack

extension ServingCore {
  /// Launches a copy; its bytes flow once it is launched and the memory it reads has answered.
  ///
  /// Each GPU of a replica asks for its share by itself, all in requests of one size.
  /// - Parameter isOneKernel: a kernel moves all blocks together, not each one of its own.
  mutating func startCopy(
    _ kind: TransferKind, request: Int, bytes: Int, _ way: Fabric.Way, host: Int,
    isOneKernel: Bool = false
  ) {
    let rack = workload.rack
    let gpus = host < rack.prefill.count ? rack.prefill.tensorParallel : rack.decode.tensorParallel
    let launch = SimDuration.seconds(system.copy.launchSeconds)
    let latency = fabric.latency(way, host: host, in: &network).seconds * latencyFactor(of: way)
    startTransfer(
      kind, request: request, bytes: bytes, path: fabric.path(way, host: host),
      weight: Fabric.weight(requestBytes: 64, outstanding: gpus),
      cap: min(copyRate(bytes, isOneKernel: isOneKernel), fabric.deviceLimit(way, bytes: bytes)),
      delay: launch + .seconds(latency))
  }

  /// Launches a transfer over the network: after `launch`, latency and the filling of staging
  /// buffers its bytes flow.
  mutating func startRDMA(
    _ kind: TransferKind, request: Int, bytes: Int, _ way: Fabric.NetworkWay, from source: Int,
    to target: Int, launch: SimDuration
  ) {
    let leg = fabric.networkLeg(
      way, from: source, to: target, pieceBytes: pieceBytes,
      engine: system.transferEngine ?? workload.rack.rdmaEngine, ranks: postingRanks)
    startTransfer(
      kind, request: request, bytes: bytes, path: leg.path, cap: leg.rate,
      delay: launch + fabric.rdmaLatency + .seconds(leg.stagingSeconds))
  }

  /// Bytes/s at which launches let a copy flow.
  private func copyRate(_ bytes: Int, isOneKernel: Bool) -> Double {
    let blockBytes = system.blockTokens * kvBytesPerToken
    let kernels = isOneKernel ? 1 : max(1, (bytes + blockBytes - 1) / blockBytes)
    let calls = Int((Double(bytes) / (pieceBytes * Double(postingRanks))).rounded(.up))
    return system.copy.rate(bytes: bytes, kernels: kernels, calls: max(1, calls))
  }

  private func latencyFactor(of way: Fabric.Way) -> Double {
    way == .cxlToGPU ? faults.cxlLatencyFactor : 1
  }
}
