// swift-tools-version: 6.2
// The layers of tract-sim, lowest first. A target may depend only on targets above it in this list.
import PackageDescription

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]
let argumentParser = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
  name: "tract-sim",
  products: [
    .executable(name: "tract-sim", targets: ["tract-sim"]),
    .executable(name: "tract-pool", targets: ["tract-pool"]),
    .library(name: "TractStore", targets: ["SharedMemory", "TractStore"]),
    // For Benchmarks/.
    .library(
      name: "Simulator",
      targets: ["EventKernel", "JSONText", "Rack", "Report", "Serving", "Workload"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    // 0: outside
    .target(name: "CCacheLine"),
    .target(name: "CProcess"),
    .target(name: "CRobustMutex"),
    .systemLibrary(name: "CGSL", pkgConfig: "gsl", providers: [.apt(["libgsl-dev"])]),
    // 1: ports
    .target(name: "JSONText", swiftSettings: strict),
    .target(name: "SharedMemory", dependencies: ["CCacheLine"], swiftSettings: strict),
    // 2: the product, and time
    .target(name: "TractStore", dependencies: ["SharedMemory"], swiftSettings: strict),
    .target(
      name: "PoolBench",
      dependencies: ["CProcess", "CRobustMutex", "JSONText", "SharedMemory", "TractStore"],
      swiftSettings: strict),
    .target(
      name: "StoreChecking", dependencies: ["PoolBench", "SharedMemory", "TractStore"],
      swiftSettings: strict),
    .target(name: "EventKernel", dependencies: ["CGSL"], swiftSettings: strict),
    // 3: the rack, and what drives it
    .target(
      name: "Rack", dependencies: ["CGSL", "EventKernel"],
      resources: [.embedInCode("Resources/catalogue.json")], swiftSettings: strict),
    .target(
      name: "Workload", dependencies: ["EventKernel", "JSONText", "Rack"],
      resources: [.embedInCode("Resources/session-models.json")], swiftSettings: strict),
    // 4: the serving system
    .target(
      name: "Serving",
      dependencies: ["EventKernel", "Rack", "SharedMemory", "TractStore", "Workload"],
      swiftSettings: strict),
    // 5: answers
    .target(
      name: "Report",
      dependencies: ["CGSL", "EventKernel", "JSONText", "Rack", "Serving", "Workload"],
      resources: [.embedInCode("Resources/quickstart.json")], swiftSettings: strict),
    // Models beside measurements and other tools.
    .target(
      name: "ModelChecking", dependencies: ["EventKernel", "Rack", "Serving", "Workload"],
      resources: [
        .embedInCode("References/aiconfigurator_steps.csv"),
        .embedInCode("References/kernel_compositions.csv"),
        .embedInCode("References/cxl_capacity.csv"),
        .embedInCode("References/cxl_loaded_latency.csv"),
        .embedInCode("References/mooncake_transfers.csv"),
        .embedInCode("References/serving_h100_llama8b.csv"),
        .embedInCode("References/vllm_rtx4090_llama8b.csv"),
        .embedInCode("References/simgrid_links.csv"),
        .embedInCode("References/simgrid_flows.csv"),
        .embedInCode("References/ns3_links.csv"),
        .embedInCode("References/ns3_flows.csv"),
        .embedInCode("References/pause_links.csv"),
        .embedInCode("References/pause_flows.csv"),
        .embedInCode("References/descriptor_rates.csv"),
        .embedInCode("References/transfer_times.csv"),
      ], swiftSettings: strict),
    // 6: commands
    .executableTarget(
      name: "tract-sim",
      dependencies: [
        "EventKernel", "JSONText", "Rack", "Report", "Serving", "Workload", argumentParser,
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "tract-pool",
      dependencies: ["JSONText", "PoolBench", "SharedMemory", "TractStore", argumentParser],
      swiftSettings: strict),

    .executableTarget(
      name: "model-check", dependencies: ["JSONText", "ModelChecking", argumentParser],
      swiftSettings: strict),
    .executableTarget(
      name: "store-check", dependencies: ["StoreChecking", "TractStore", argumentParser],
      swiftSettings: strict),

    .testTarget(name: "EventKernelTests", dependencies: ["EventKernel"], swiftSettings: strict),
    .testTarget(
      name: "RackTests", dependencies: ["JSONText", "Rack", "Report"], swiftSettings: strict),
    .testTarget(name: "ModelTests", dependencies: ["ModelChecking"], swiftSettings: strict),
    .testTarget(name: "JSONTextTests", dependencies: ["JSONText"], swiftSettings: strict),
    .testTarget(name: "ReportTests", dependencies: ["Report"], swiftSettings: strict),
    .testTarget(
      name: "SharedMemoryTests", dependencies: ["CCacheLine", "CRobustMutex", "SharedMemory"],
      swiftSettings: strict),
    .testTarget(
      name: "StoreTests",
      dependencies: ["PoolBench", "SharedMemory", "StoreChecking", "TractStore"],
      swiftSettings: strict),
    // Explores, simulates and plants mistakes; slow without optimisation.
    .testTarget(
      name: "StoreProofTests", dependencies: ["StoreChecking", "TractStore"],
      swiftSettings: strict),
    .testTarget(
      name: "WorkloadTests", dependencies: ["JSONText", "Workload"], swiftSettings: strict),
    .testTarget(
      name: "ServingTests",
      dependencies: ["EventKernel", "Rack", "Report", "Serving", "TractStore", "Workload"],
      swiftSettings: strict),
    // Mutates workload and trace files.
    .testTarget(
      name: "FuzzTests", dependencies: ["EventKernel", "JSONText", "Report", "Workload"],
      swiftSettings: strict),
    // Runs the built commands.
    .testTarget(
      name: "CommandTests",
      dependencies: ["JSONText", "SharedMemory", "TractStore", "tract-pool", "tract-sim"],
      exclude: ["Goldens"], swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6]
)
