"""A report as one HTML page: the numbers with their intervals, published ones beside them and marked, failures to look at, and how to do it again."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from vlaser_core.evaluate.report.model import Item, Matrix, Measure, Report, Section
from vlaser_core.pages import data_uri, document, facts, jpeg

PICTURE_WIDTH = 360  # pixels; several share one card
STYLE = """
.badge { display: inline-block; padding: .1rem .6rem; margin: .3rem .4rem 0 0; border: 1px solid var(--policy); color: var(--policy); border-radius: 1rem; font-size: .85rem; font-weight: 600; }
td.name { min-width: 12rem; max-width: 20rem; } td.n, th.n { padding-left: .3rem; padding-right: .5rem; } tr.published td.name, td.row { min-width: 11rem; white-space: nowrap; } .headline { font-size: 1.1rem; margin: .3rem 0 .2rem; } tr.main td { font-weight: 600; } tr:not(.main) + tr.main td { border-top: 2px solid var(--line); } tr.published td { color: var(--muted); font-style: italic; }
.tag { font-size: .72rem; font-style: normal; border: 1px solid var(--line); border-radius: 3px; padding: 0 .3rem; margin-left: .4rem; color: var(--muted); white-space: nowrap; }
svg.bar { width: 14rem; height: 1.5rem; display: block; } svg.bar .track { fill: var(--tint); } svg.bar .value { fill: var(--done); } svg.bar .span { stroke: var(--ink); stroke-width: 1.5; }
svg.bar .mark { fill: none; stroke: var(--policy); stroke-width: 2; } .legend i { display: inline-block; width: .7rem; height: .7rem; margin: 0 .3rem 0 .8rem; vertical-align: baseline; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; overflow: hidden; display: flex; flex-direction: column; } .card .body { padding: .6rem .8rem .8rem; }
.card h3 { margin: 0 0 .2rem; font-size: .95rem; overflow-wrap: anywhere; } .card .shown { display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: 2px; } .card img, .card video { border-radius: 0; }
.card p { margin: .35rem 0 0; font-size: .9rem; white-space: pre-wrap; overflow-wrap: anywhere; max-height: 12rem; overflow-y: auto; } .card p b { display: block; color: var(--muted); font-weight: 600; font-size: .78rem; }
.score { float: right; font-variant-numeric: tabular-nums; font-weight: 600; } td.matrix { text-align: right; padding-right: .4rem; } table.matrix { font-size: .86rem; } table.matrix th { font-size: .78rem; padding-right: .4rem; white-space: normal; vertical-align: bottom; } nav a { margin-right: 1rem; } a { color: var(--done); }
"""


def page(report: Report) -> str:
    """The whole page."""
    badges = "".join(f'<span class="badge">{escape(badge)}</span>' for badge in report.badges)
    parts = [f'<h1>{escape(report.title)}</h1><p class="headline">{escape(report.headline)}</p>{badges}', measures(report.measures)]
    if report.matrix is not None:
        parts.append(matrix(report.matrix))
    if report.items:
        parts.append(cards(report.items, report.items_total, report.items_about))
    parts += [section(each) for each in report.sections]
    parts.append(f"<h2>Settings</h2>{facts(report.settings)}<details><summary>Versions</summary>{facts(report.versions)}</details>")
    parts.append(f"<h2>Again</h2><pre>{escape(report.command)}</pre>")
    return document(report.title, "".join(parts), STYLE)


def percent(value: float | None, digits: int = 1) -> str:
    return "—" if value is None else f"{100 * value:.{digits}f}"


def measures(rows: Iterable[Measure]) -> str:
    """The numbers, each with a bar, its interval, and published values as rings."""
    rows = list(rows)
    extra = list(dict.fromkeys(name for row in rows for name in row.cells))
    marks = list(dict.fromkeys(name for row in rows for name in row.marks))
    html = []
    for row in rows:
        interval = "" if row.interval is None else f"{percent(row.interval[0])} – {percent(row.interval[1])}"
        note = f'<div class="label">{escape(row.note)}</div>' if row.note else ""
        cells = "".join(f"<td class=n>{escape(row.cells.get(name, ''))}</td>" for name in extra)
        published = "".join(f"<td class=n><i>{percent(row.marks.get(name))}</i></td>" for name in marks)
        count = "" if row.n is None else str(row.n)
        html.append(
            f"<tr{' class=main' if row.main else ''}><td class=name>{escape(row.name)}{note}</td><td class=n>{percent(row.value)}</td><td>{bar(row)}</td>"
            f"<td class=n>{interval}</td><td class=n>{count}</td>{cells}{published}</tr>"
        )
    head = "<th></th><th class=n>%</th><th></th><th class=n>95 % interval</th><th class=n>n</th>"
    head += "".join(f"<th class=n>{escape(name)}</th>" for name in extra)
    head += "".join(f'<th class=n>{escape(name)}<br><span class="tag">published</span></th>' for name in marks)
    rings = ' <i style="border:2px solid var(--policy);border-radius:50%"></i>published' if marks else ""
    legend = f'<p class="muted legend"><i style="background:var(--done)"></i>measured, with its 95 % interval{rings}</p>'
    return f'<h2>Results</h2><div class="wide"><table><tr>{head}</tr>{"".join(html)}</table></div>{legend}'


def bar(row: Measure) -> str:
    """A bar from 0 to 1 with the interval across and a ring for each published value."""
    parts = ['<rect class="track" x="0" y="8" width="240" height="8" rx="4"/>']
    if row.value is not None:
        parts.append(f'<rect class="value" x="0" y="8" width="{240 * row.value:.1f}" height="8" rx="4"/>')
    if row.interval is not None:
        low, high = (240 * bound for bound in row.interval)
        parts.append(f'<path class="span" d="M{low:.1f} 12H{high:.1f}M{low:.1f} 8V16M{high:.1f} 8V16"/>')
    for name, value in row.marks.items():
        parts.append(f'<circle class="mark" cx="{240 * value:.1f}" cy="12" r="4"><title>{escape(name)}, published: {percent(value)}</title></circle>')
    return f'<svg class="bar" viewBox="-6 0 252 24" role="img" aria-label="{percent(row.value)} %">{"".join(parts)}</svg>'


def matrix(found: Matrix) -> str:
    """Ours and the published rows, column by column; the best of a column is bold."""
    best = {column: max((values[column] for _, values, _ in found.rows if values.get(column) is not None), default=None) for column in found.columns}
    rows = []
    for name, values, published in found.rows:
        cells = "".join(f"<td class=matrix>{_value(values.get(column), best[column])}</td>" for column in found.columns)
        tag = '<span class="tag">published</span>' if published else ""
        rows.append(f"<tr{' class=published' if published else ''}><td class=row>{escape(name)}{tag}</td>{cells}</tr>")
    head = "".join(f"<th class=n>{escape(column)}</th>" for column in found.columns)
    return f'<h2>Beside published rows</h2><div class="wide"><table class="matrix"><tr><th></th>{head}</tr>{"".join(rows)}</table></div><p class="muted">Published: {escape(found.source)}. Percent.</p>'


def _value(value: float | None, best: float | None) -> str:
    if value is None:
        return "—"
    return f"<b>{value:.1f}</b>" if value == best else f"{value:.1f}"


def cards(items: Iterable[Item], total: int, meaning: str = "") -> str:
    """Episodes or questions to look at."""
    items = list(items)
    failed = sum(item.failed for item in items)
    about = f"{len(items)} of {total}: {failed} that did not fully succeed, the worst first" + (f", then {len(items) - failed} that did" if failed < len(items) else "")
    return f'<h2>To look at</h2><p class="muted">{escape(f"{about}. {meaning}")}</p><div class="grid">{"".join(card(item) for item in items)}</div>'


def card(item: Item) -> str:
    film = ""
    if item.film is not None:
        film = f'<video controls muted loop playsinline preload="metadata" src="{data_uri(item.film, "video/mp4")}"></video>'
    shown = "".join(f'<img src="{jpeg(picture, min(PICTURE_WIDTH, max(picture.shape[1], 160)))}" alt="{escape(item.title)}">' for picture in item.pictures)
    pictures = f'<div class="shown">{shown}</div>' if shown else ""
    lines = "".join(f"<p><b>{escape(label)}</b>{escape(text)}</p>" for label, text in item.lines)
    score = {0.0: "✗", 1.0: "✓"}.get(item.score, f"{percent(item.score, 0)} %")
    mark = f'<span class="score {"no" if item.failed else "yes"}">{score}</span>'
    caption = f'<div class="label">{escape(item.caption)}</div>' if item.caption else ""
    return f'<div class="card">{film}{pictures}<div class="body">{mark}<h3>{escape(item.title)}</h3>{caption}{lines}</div></div>'


def section(found: Section) -> str:
    body = (facts(found.facts) if found.facts else "") + (f"<pre>{escape(found.text)}</pre>" if found.text else "")
    if found.open:
        return f"<h2>{escape(found.title)}</h2>{body}"
    return f"<details><summary><b>{escape(found.title)}</b></summary>{body}</details>"
