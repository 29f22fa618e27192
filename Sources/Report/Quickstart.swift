// The workload that runs without a file.

/// `Workloads/examples/quickstart.json`, embedded.
public enum Quickstart {
  public static var bytes: [UInt8] { PackageResources.quickstart_json }
}
