// What a transfer engine charges beyond bytes over bandwidth: a law per descriptor.

import Foundation

/// The fragmentation law `t = (o^p + (b/B)^p)^(1/p)` for one descriptor of `b` bytes.
///
/// Source: HARDWARE.md section 3.2, fitted to FastDeploy and LMCache PR #4161 tables.
public struct TransferEngineSpec: Hashable, Sendable {
  public var name: String
  /// `o`: fixed time of a descriptor, seconds; 0 without that mechanism.
  public var descriptorSeconds: Double
  /// `B`: the engine's own bandwidth limit, bytes/s.
  public var bandwidth: Double
  /// `p`: how sharply the two bounds meet.
  public var exponent: Double

  public init(name: String, descriptorSeconds: Double, bandwidth: Double, exponent: Double) {
    self.name = name
    self.descriptorSeconds = descriptorSeconds
    self.bandwidth = bandwidth
    self.exponent = exponent
  }

  /// Time one descriptor of `bytes` takes on an otherwise idle path, seconds.
  public func descriptorTime(bytes: Double) -> Double {
    guard descriptorSeconds > 0 else { return bytes / bandwidth }
    let p = exponent
    let ratio = bytes / bandwidth / descriptorSeconds
    return descriptorSeconds * pow(1 + pow(ratio, p), 1 / p)
  }

  /// The rate at which back-to-back descriptors of `bytes` flow, bytes/s: the flow's rate cap.
  public func rate(descriptorBytes bytes: Double) -> Double { bytes / descriptorTime(bytes: bytes) }
}
