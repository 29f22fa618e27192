// swift-tools-version: 6.2
// Benchmarks of tract-sim, a package of its own: users do not build it.
import PackageDescription

let package = Package(
  name: "Benchmarks",
  dependencies: [.package(name: "tract-sim", path: "..")],
  targets: [
    .target(name: "CAllocations"),
    .executableTarget(
      name: "bench",
      dependencies: [
        "CAllocations", .product(name: "Simulator", package: "tract-sim"),
        .product(name: "TractStore", package: "tract-sim"),
      ]),
  ],
  swiftLanguageModes: [.v6]
)
