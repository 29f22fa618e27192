// Shared memory of a rack asked alone: what streams get, what a small access waits, what a copy takes.

import EventKernel

/// A rack's way to shared memory with nothing on it but what is asked for.
public struct CXLProbe {
  /// Requests without end, from one host's processor or GPU.
  public struct Stream: Sendable {
    public var way: Fabric.Way
    public var host: Int
    /// Bytes of one request, and requests under way.
    public var requestBytes: Int
    public var outstanding: Int
    /// Its own limit, bytes/s; at least 1 MB/s.
    public var limit: Double
    /// Bytes side by side that it goes over; nil for the whole pool.
    public var footprintBytes: Int?

    public init(
      _ way: Fabric.Way, host: Int = 0, requestBytes: Int = 64, outstanding: Int = 1,
      limit: Double = .infinity, footprintBytes: Int? = nil
    ) {
      self.way = way
      self.host = host
      self.requestBytes = requestBytes
      self.outstanding = outstanding
      self.limit = limit
      self.footprintBytes = footprintBytes
    }
  }

  /// Bytes of a stream; at 1 MB/s it still ends within virtual time.
  private static var endless: Int { 1 << 40 }

  private let rack: RackSpec
  private var network = FluidNetwork()
  private let fabric: Fabric
  private var flows: [FluidNetwork.FlowID] = []

  /// A rack under the given streams.
  /// - Precondition: each stream's host exists, its limit is at least 1 MB/s.
  public init(_ rack: RackSpec, streams: [Stream] = []) {
    self.rack = rack
    fabric = Fabric(rack, into: &network)
    for stream in streams {
      let footprint = stream.footprintBytes.map { fabric.deviceLimit(stream.way, bytes: $0) }
      flows.append(
        network.start(
          bytes: Self.endless, path: fabric.path(stream.way, host: stream.host),
          weight: Fabric.weight(
            requestBytes: stream.requestBytes, outstanding: stream.outstanding),
          cap: min(stream.limit, footprint ?? .infinity), tag: 0, at: .zero))
    }
  }

  /// What each stream gets, bytes/s.
  public mutating func rates() -> [Double] { flows.map { network.rate(of: $0) } }

  /// The load that a host's small accesses meet.
  public mutating func load(host: Int = 0) -> CXLLoad { fabric.cxlLoad(host: host, in: &network) }

  /// Latency of one line access by a host's processor, seconds.
  public mutating func latencySeconds(host: Int = 0) -> Double {
    rack.cxl.latencySeconds(at: load(host: host))
  }

  /// Time of one GPU copy beside the streams, from the call to its end, seconds.
  ///
  /// - Parameter pieces: pieces that lie apart on the GPU.
  public func copySeconds(
    _ way: Fabric.Way, bytes: Int, pieces: Int = 1, host: Int = 0, copy: GPUCopySpec
  ) -> Double {
    var network = network
    let latency = fabric.latency(way, host: host, in: &network)
    let start = SimTime.zero + .seconds(copy.launchSeconds) + latency
    _ = network.start(
      bytes: bytes, path: fabric.path(way, host: host),
      cap: min(
        copy.rate(bytes: bytes, kernels: 1, calls: pieces),
        fabric.deviceLimit(way, bytes: bytes)),
      tag: 1, at: start)
    while let time = network.nextCompletion {
      if network.popCompletion(at: time)?.tag == 1 { return time.seconds }
    }
    return .infinity
  }
}
