// Transfers over the network without GPUDirect: a pipeline of copies and the NIC.

import EventKernel
import Rack
import Testing

private func leg(
  _ way: Fabric.NetworkWay = .gpuToGPU, preset: String = "h100-rack", pieceBytes: Double,
  ranks: Int = 1, _ change: (inout RackSpec) -> Void = { _ in }
) throws -> Fabric.NetworkLeg {
  var rack = try #require(Catalogue.builtIn.rack(preset))
  rack.nic.gpuDirect = false
  change(&rack)
  var network = FluidNetwork()
  let fabric = Fabric(rack, into: &network)
  return fabric.networkLeg(
    way, from: 0, to: rack.prefill.count, pieceBytes: pieceBytes, engine: rack.rdmaEngine,
    ranks: ranks)
}

private let mib = 1_048_576.0

@Suite struct StagingTests {
  /// n chunks through the stages take the sum of the stages and n - 1 times the slowest.
  @Test(arguments: [8_192.0, 131_072, 524_288, 4 * mib]) func pipeline(piece: Double) throws {
    let rack = try #require(Catalogue.builtIn.rack("h100-rack"))
    let chunk = min(piece, 524_288)
    let copy = 9.04e-6 + chunk / rack.prefill.gpu.pcieBandwidth
    let send = rack.rdmaEngine.descriptorTime(bytes: chunk)
    let leg = try leg(pieceBytes: piece)
    let time = leg.stagingSeconds + 100 * chunk / leg.rate
    #expect(abs(time / (2 * copy + send + 99 * max(copy, send)) - 1) < 1e-9)
  }

  @Test func gpuDirectStagesNothing() throws {
    let leg = try leg(pieceBytes: 131_072) { $0.nic.gpuDirect = true }
    let rack = try #require(Catalogue.builtIn.rack("h100-rack"))
    #expect(leg.stagingSeconds == 0)
    #expect(leg.rate == rack.rdmaEngine.rate(descriptorBytes: 131_072))
  }

  /// Only GPU memory is staged, and staged bytes cross DRAM twice.
  @Test func onlyGPUsStage() throws {
    let both = try leg(pieceBytes: mib)
    for way in [Fabric.NetworkWay.dramToGPU, .gpuToDRAM] {
      let one = try leg(way, pieceBytes: mib)
      #expect(one.stagingSeconds < both.stagingSeconds)
      #expect(one.path.count < both.path.count)
    }
    #expect(both.path.count == 10)
    let direct = try leg(pieceBytes: mib) { $0.nic.gpuDirect = true }
    #expect(direct.path.count == 6)
  }

  /// Ranks stage their chunks side by side.
  @Test func ranksStageApart() throws {
    let one = try leg(pieceBytes: 65_536)
    let four = try leg(pieceBytes: 65_536, ranks: 4)
    #expect(abs(four.rate / one.rate - 4) < 1e-9)
    #expect(four.stagingSeconds == one.stagingSeconds)
  }

  /// Beluga measured that a write without its bounce buffer takes 36.2 % less, a read 38.7 %. Nothing
  /// is fitted to that; the NIC of 400 Gb/s is assumed.
  @Test func dropsWhatBelugaMeasured() throws {
    func time(_ direct: Bool) throws -> Double {
      let leg = try leg(pieceBytes: mib) { $0.nic.gpuDirect = direct }
      return leg.stagingSeconds + 1024 * mib / min(leg.rate, 45e9)
    }
    let cut = 1 - (try time(true)) / (try time(false))
    #expect(cut > 0.34 && cut < 0.40, "\(cut)")
  }

  /// Descriptors may be free.
  @Test func noDescriptorCost() throws {
    let leg = try leg(pieceBytes: 512) {
      $0.nic.gpuDirect = true
      $0.rdmaEngine.descriptorSeconds = 0
    }
    #expect(leg.rate == 45e9)
  }
}
