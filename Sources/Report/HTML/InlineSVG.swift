// gnuplot's SVG files, fit to stand in an HTML page.

/// An SVG file as an element of a page.
enum InlineSVG {
  /// The `svg` element of a file, without what only a file of its own needs; nothing if there is none.
  ///
  /// Identifiers get the plot's number, as all plots share one page; size and colours are left to the
  /// page's style.
  static func text(_ file: String, number: Int, label: String) -> String {
    guard let start = file.firstRange(of: #/<svg[^>]*>/#) else { return "" }
    let box = file[start].firstMatch(of: #/viewBox="[0-9. ]+"/#).map { String($0.output) } ?? ""
    let content = file[start.upperBound...]
      .replacing(#/\s*<(title|desc)>[^<]*</(title|desc)>/#, with: "", maxReplacements: 2)
      .replacing(#/id=(["'])/#) { "id=\($0.1)plot\(number)-" }
      .replacing(#/(xlink:href=["']|url\()#/#) { "\($0.1)#plot\(number)-" }
    return "<svg class=\"plot\" role=\"img\" aria-label=\"\(HTMLReport.escaped(label))\" \(box) "
      + "xmlns:xlink=\"http://www.w3.org/1999/xlink\">\(content)"
  }
}
