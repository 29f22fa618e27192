// A comparison as one HTML file to send to a colleague: no network, no script, nothing beside it.

import JSONText
import Rack
import Workload

/// Renders a comparison as a page that reads in light and dark, on paper and by keyboard.
///
/// As all reports it depends on workload, seed and version only: there is no date in it.
public enum HTMLReport {
  /// A drawn plot.
  public struct Plot: Sendable {
    /// What it shows, for those who cannot see it.
    public var caption: String
    /// The text of an SVG file.
    public var svg: String

    public init(caption: String, svg: String) {
      self.caption = caption
      self.svg = svg
    }
  }

  /// The whole page.
  public static func text(_ comparison: Comparison, plots: [Plot]) -> String {
    let sections = [
      ("comparison", "Comparison", table(comparison)),
      ("plots", "Plots", figures(plots)),
      ("catalogue", "Figures it rests on", figuresUsed(CatalogueUse(comparison.workload))),
      ("definitions", "Definitions", definitions(comparison.workload)),
      ("workload", "Workload as run", workload(comparison.workload)),
    ].filter { !$0.2.isEmpty }
    let title = escaped(comparison.workload.name)
    let links = sections.map { "<a href=\"#\($0.0)\">\($0.1)</a>" }.joined(separator: " ")
    let body = sections.map {
      "<section id=\"\($0.0)\" aria-labelledby=\"\($0.0)-title\">\n"
        + "<h2 id=\"\($0.0)-title\">\($0.1)</h2>\n\($0.2)</section>\n"
    }.joined()
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="color-scheme" content="light dark">
      <meta name="generator" content="tract-sim \(Comparison.version)">
      <title>\(title)</title>
      <style>
      \(style)
      </style>
      </head>
      <body>
      <a class="skip" href="#comparison">Skip to the comparison</a>
      <header>
      <h1>\(title)</h1>
      \(summary(comparison))<nav aria-label="Parts of this report">\(links)</nav>
      </header>
      <main>
      \(body)</main>
      </body>
      </html>

      """
  }

  private static func summary(_ comparison: Comparison) -> String {
    let workload = comparison.workload
    func pool(_ pool: WorkerPool) -> String {
      let degree = pool.gpuCount > 1 ? ", \(pool.gpuCount) GPUs each" : ""
      return "\(pool.count) × \(pool.gpu.name)\(degree)"
    }
    let facts = [
      ("Model", workload.model.name), ("Prefill", pool(workload.rack.prefill)),
      ("Decode", pool(workload.rack.decode)), ("Seed", "\(workload.seed)"),
      ("Ratios to", comparison.baseline.system), ("tract-sim", Comparison.version),
    ]
    return "<dl class=\"facts\">\n"
      + facts.map { "<div><dt>\($0.0)</dt><dd>\(escaped($0.1))</dd></div>\n" }.joined()
      + "</dl>\n"
  }

  private static func table(_ comparison: Comparison) -> String {
    let head = comparison.metrics.map { "<th scope=\"col\">\(escaped($0.system))</th>" }.joined()
    let groups = ComparisonTable.groups(comparison).map { group in
      "<tbody>\n"
        + group.map { row in
          let cells = row.cells.map { cell in
            "<td>\(cell.value)" + (cell.ratio.map { " <small>\($0)</small>" } ?? "") + "</td>"
          }
          return "<tr><th scope=\"row\">\(escaped(row.title))</th>\(cells.joined())</tr>\n"
        }.joined() + "</tbody>\n"
    }
    let failures = comparison.metrics.flatMap { system in
      system.failures.map {
        "<p class=\"bad\">\(escaped(system.system)): \($0.count) requests failed: "
          + "\(escaped($0.reason))</p>\n"
      }
    }
    return scrollable(
      "Comparison of the systems",
      "<table>\n<thead><tr><td></td>\(head)</tr></thead>\n\(groups.joined())</table>")
      + failures.joined()
  }

  private static func figures(_ plots: [Plot]) -> String {
    plots.enumerated().map { index, plot in
      "<figure>\n\(InlineSVG.text(plot.svg, number: index + 1, label: plot.caption))"
        + "<figcaption>\(escaped(plot.caption))</figcaption>\n</figure>\n"
    }.joined()
  }

  private static func figuresUsed(_ use: CatalogueUse) -> String {
    let counts = Grade.allCases.map { grade in
      "\(use.count(of: grade)) \(grade.rawValue)"
    }.joined(separator: ", ")
    var text =
      "<p>\(counts). A comparison that turns on an <em>assumed</em> figure should be run "
      + "over its plausible range first.</p>\n"
    if !use.changes.isEmpty {
      let rows = use.changes.map {
        "<tr><th scope=\"row\"><code>\(escaped($0.path))</code></th>"
          + "<td>\(escaped($0.catalogue))</td><td>\(escaped($0.workload))</td></tr>\n"
      }
      text += scrollable(
        "Where the workload departs from the catalogue",
        "<table>\n<caption>Where the workload departs from the catalogue</caption>\n"
          + "<thead><tr><th scope=\"col\">Key</th><th scope=\"col\">Catalogue</th>"
          + "<th scope=\"col\">This run</th></tr></thead>\n<tbody>\n\(rows.joined())</tbody></table>"
      )
    }
    for entry in use.entries {
      let rows = entry.figures.map { figure in
        let note = figure.note.map { " (\(escaped($0)))" } ?? ""
        return "<tr><th scope=\"row\"><code>\(escaped(figure.name))</code></th>"
          + "<td>\(escaped(figure.value))</td><td class=\"\(figure.grade.rawValue)\">"
          + "\(figure.grade.rawValue)</td><td class=\"text\">\(escaped(figure.source))\(note)</td>"
          + "</tr>\n"
      }
      text += scrollable(
        entry.title,
        "<table>\n<caption>\(escaped(entry.title))</caption>\n<thead><tr><th scope=\"col\">Figure"
          + "</th><th scope=\"col\">Value</th><th scope=\"col\">Grade</th>"
          + "<th scope=\"col\" class=\"text\">Source</th></tr></thead>\n<tbody>\n"
          + "\(rows.joined())</tbody></table>")
    }
    return text
  }

  private static func definitions(_ workload: Workload) -> String {
    let all = Metrics.definitions + (workload.faults.isEmpty ? [] : Metrics.faultDefinitions)
    return "<dl>\n"
      + all.map { "<dt><code>\($0.key)</code></dt><dd>\(escaped($0.text))</dd>\n" }.joined()
      + "</dl>\n"
  }

  private static func workload(_ workload: Workload) -> String {
    "<p>Every default filled in; <code>tract-sim run</code> repeats this report from it.</p>\n"
      + scrollable(
        "Workload as run",
        "<pre>\(escaped(ResolvedWorkload.json(workload).text(indented: true)))</pre>")
  }

  /// A box that the keyboard can reach and scroll when its content is too wide.
  private static func scrollable(_ label: String, _ content: String) -> String {
    "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"\(escaped(label))\">\n"
      + "\(content)\n</div>\n"
  }

  /// Text as HTML shows it, also between double quotes.
  static func escaped(_ text: String) -> String {
    var result = ""
    for character in text {
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      default: result.append(character)
      }
    }
    return result
  }
}
