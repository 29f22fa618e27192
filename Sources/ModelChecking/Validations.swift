// The list of all validations.

extension Validation {
  /// All, in the order of `docs/MODELS.md`.
  public static var all: [Validation] {
    gpu + cxl
  }

  /// Those whose name is `name` or begins with `name-`.
  public static func named(_ name: String) -> [Validation] {
    all.filter { $0.name == name || $0.name.hasPrefix(name + "-") }
  }
}
