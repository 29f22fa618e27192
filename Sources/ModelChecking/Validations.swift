// The list of all validations.

extension Validation {
  /// All, in the order of `docs/MODELS.md`.
  public static let all: [Validation] =
    gpu + fabric + cxl + [engineScenarios] + engineRun + reuse + queueing

  /// Those whose name is `name` or begins with `name-`.
  public static func named(_ name: String) -> [Validation] {
    all.filter { $0.name == name || $0.name.hasPrefix(name + "-") }
  }
}
