// A check's findings for the programs of a CI: JUnit XML and GitHub's annotations.

/// The check of one workload file.
public struct CheckedFile: Sendable {
  public let file: String
  public let workload: String
  public let check: BaselineCheck

  public init(file: String, workload: String, check: BaselineCheck) {
    self.file = file
    self.workload = workload
    self.check = check
  }
}

/// Renders checks for a CI.
public enum CheckFiles {
  /// JUnit XML: a suite a workload, a case a figure; a figure that fails the check is a failure of
  /// its verdict's type.
  public static func junit(_ files: [CheckedFile], improvedToo: Bool) -> String {
    func fails(_ finding: BaselineCheck.Finding) -> Bool {
      BaselineCheck.fails(finding.verdict, improvedToo: improvedToo)
    }
    func counts(_ findings: [BaselineCheck.Finding]) -> String {
      "tests=\"\(findings.count)\" failures=\"\(findings.count(where: fails))\" errors=\"0\""
    }
    var text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    text += "<testsuites name=\"tract-sim check\" \(counts(files.flatMap(\.check.findings)))>\n"
    for file in files {
      let suite = escaped(file.workload)
      text += "  <testsuite name=\"\(suite)\" \(counts(file.check.findings)) skipped=\"0\">\n"
      for finding in file.check.findings {
        let name =
          "classname=\"\(suite).\(escaped(finding.system))\" "
          + "name=\"\(escaped(finding.metric))\" file=\"\(escaped(file.file))\""
        guard fails(finding) else {
          text += "    <testcase \(name)/>\n"
          continue
        }
        let reason = file.check.reasons.first { $0.system == finding.system }?.text ?? ""
        text += "    <testcase \(name)>\n"
        text +=
          "      <failure type=\"\(finding.verdict.rawValue)\" "
          + "message=\"\(escaped(finding.text))\">\(escaped(reason))</failure>\n"
        text += "    </testcase>\n"
      }
      text += "  </testsuite>\n"
    }
    return text + "</testsuites>\n"
  }

  /// XML text and attribute values; characters that XML 1.0 cannot hold become U+FFFD.
  private static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case _ where scalar.value < 0x20 || scalar.value == 0xFFFE || scalar.value == 0xFFFF:
        result += "\u{FFFD}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// GitHub's workflow commands: one annotation a system that fails or improved, as only few of a
  /// step are shown.
  public static func annotations(_ files: [CheckedFile], improvedToo: Bool) -> String {
    var text = ""
    for file in files {
      var systems: [String] = []
      for finding in file.check.findings where !systems.contains(finding.system) {
        systems.append(finding.system)
      }
      for system in systems {
        let moved = file.check.findings.filter { $0.system == system && $0.verdict != .same }
        guard !moved.isEmpty else { continue }
        let fails = moved.contains {
          BaselineCheck.fails($0.verdict, improvedToo: improvedToo)
        }
        var lines = moved.map { "\($0.metric) \($0.verdict.rawValue): \($0.text)" }
        if let reason = file.check.reasons.first(where: { $0.system == system }) {
          lines.append("parts of the breakdown: \(reason.text)")
        }
        text +=
          "::\(fails ? "error" : "notice") file=\(property(file.file)),"
          + "title=\(property("\(file.workload): \(system)"))::\(data(lines))\n"
      }
    }
    return text
  }

  private static func data(_ lines: [String]) -> String {
    lines.map(data).joined(separator: "%0A")
  }

  private static func data(_ text: String) -> String {
    text.replacing("%", with: "%25").replacing("\r", with: "%0D").replacing("\n", with: "%0A")
  }

  private static func property(_ text: String) -> String {
    data(text).replacing(":", with: "%3A").replacing(",", with: "%2C")
  }
}
