// How the HTML report looks.

extension HTMLReport {
  /// The page's style sheet. Colours are named once; dark screens and paper replace the names.
  static let style = """
    :root {
      --ink: #1b1b1b; --paper: #ffffff; --quiet: #595959; --line: #d4d4d4; --band: #f4f4f4;
      --link: #0a58ca; --bad: #a3181f;
    }
    @media screen and (prefers-color-scheme: dark) {
      :root {
        --ink: #e6e6e6; --paper: #16181b; --quiet: #a6a6a6; --line: #3d4147; --band: #202327;
        --link: #7db1ff; --bad: #ff8f8f;
      }
    }
    * { box-sizing: border-box; }
    body {
      margin: 0 auto; padding: 1.5rem; max-width: 70rem; color: var(--ink);
      background: var(--paper); font: 1rem/1.5 system-ui, "DejaVu Sans", sans-serif;
    }
    h1 { font-size: 1.6rem; margin: 0 0 .5rem; }
    h2 { font-size: 1.2rem; margin: 2rem 0 .75rem; border-bottom: 1px solid var(--line); }
    a { color: var(--link); }
    nav a { margin-right: 1rem; }
    .skip { position: absolute; left: -100rem; }
    .skip:focus { left: 1rem; top: .5rem; background: var(--paper); padding: .25rem .5rem; }
    :focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
    .facts { display: flex; flex-wrap: wrap; gap: .25rem 2rem; margin: 0 0 1rem; }
    .facts dt { color: var(--quiet); font-size: .8rem; }
    .facts dd { margin: 0; }
    dl:not(.facts) dt { margin-top: .5rem; }
    dl:not(.facts) dd { margin: 0 0 0 1.5rem; }
    .wide { overflow-x: auto; margin: 0 0 1.25rem; }
    table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
    caption { text-align: left; font-weight: 600; padding: .25rem 0; }
    th, td { padding: .2rem .75rem; text-align: right; vertical-align: top; white-space: nowrap; }
    th[scope=row], th:first-child { text-align: left; font-weight: 400; }
    thead th { font-weight: 600; border-bottom: 2px solid var(--line); }
    tbody tr:nth-child(even) { background: var(--band); }
    tbody + tbody { border-top: 1px solid var(--line); }
    td small { color: var(--quiet); }
    .text { text-align: left; white-space: normal; min-width: 20rem; }
    td.assumed { font-weight: 600; }
    .bad { color: var(--bad); }
    code, pre { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .85rem; }
    pre { margin: 0; padding: .75rem; background: var(--band); }
    figure { margin: 0 0 1.5rem; }
    figcaption { color: var(--quiet); font-size: .9rem; }
    svg.plot { display: block; width: 100%; height: auto; max-width: 60rem; }
    svg.plot [color=black] { color: var(--ink); }
    svg.plot [fill=black] { fill: var(--ink); }
    svg.plot [stroke=black] { stroke: var(--ink); }
    svg.plot .gridline { stroke: var(--line); }
    @media print {
      body { max-width: none; padding: 0; font-size: 9pt; }
      nav, .skip { display: none; }
      figure, tr { break-inside: avoid; }
      h2, caption { break-after: avoid; }
      .wide { overflow: visible; }
      pre { white-space: pre-wrap; }
      .text { min-width: 0; }
      th, td { padding: .1rem .4rem; }
    }
    """
}
