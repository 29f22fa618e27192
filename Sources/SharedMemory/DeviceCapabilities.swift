// What a shared-memory device promises, and what therefore must be done by software.

/// Properties of a device and of the path to it that change how lines must be published.
public struct DeviceCapabilities: Hashable, Sendable {
  /// What it means that a fence has completed.
  public enum Fabric: Hashable, Sendable {
    /// Flushed and non-temporally stored lines are at the device.
    case strong
    /// They are on their way; only reading a line back proves that it has arrived.
    case posted
  }

  /// Who touches KV payload.
  public enum PayloadMapping: Hashable, Sendable {
    /// DMA engines only: no processor may load or store it, or its cache would go stale.
    case dmaOnly
    /// Processors, which flush after writing and before reading.
    case cpuVisible
  }

  public var fabric: Fabric
  /// Whether DMA writes allocate in the host's cache (Intel DDIO), so that the completion of a DMA
  /// does not mean that the data is at the device.
  public var ddio: Bool
  /// Whether `storeLine` bypasses the cache.
  public var lineStore: Bool
  public var payload: PayloadMapping

  public init(fabric: Fabric, ddio: Bool, lineStore: Bool, payload: PayloadMapping) {
    self.fabric = fabric
    self.ddio = ddio
    self.lineStore = lineStore
    self.payload = payload
  }

  /// The simulated device: completion at the device, DDIO off, GPU DMA for payload.
  public static let simulated = DeviceCapabilities(
    fabric: .strong, ddio: false, lineStore: true, payload: .dmaOnly)
}
