"""A set's numbers as a page: tables with bars, the lengths, the balance of answers, and where boxes and points lie."""

from __future__ import annotations

import html
from typing import Any

from vlaser_core.pages import document

_STYLE = """
.bar { background: var(--done); height: .8rem; border-radius: 2px; margin-top: .35rem; } td.track { width: 18rem; } svg rect { fill: var(--done); }
"""


def stats_page(title: str, numbers: dict[str, Any]) -> str:
    """HTML of `Stats.to_json()`."""
    total = max(1, numbers["records"])
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        f'<p class="muted">{numbers["records"]} records, {numbers["pictures"]} pictures; digest {numbers["digest"]}</p>',
    ]
    for label, counts in numbers["mix"].items():
        most = max(1, *counts.values())
        rows = "".join(
            _bar(name, count, count / total, count / most) for name, count in sorted(counts.items(), key=lambda entry: -entry[1])
        )
        parts.append(f"<h2>{html.escape(label)}</h2><table>{rows}</table>")
    parts.append(
        "<h2>answers</h2><table><tr><th>family</th><th>records</th><th>different questions</th><th>different answers</th><th>most given</th></tr>"
    )
    for name, family in numbers["families"].items():
        top = "".join(_bar(entry["answer"], None, entry["share"]) for entry in family["top_answers"])
        counts = "".join(f'<td class="n">{family[key]}</td>' for key in ("records", "different_questions", "different_answers"))
        parts.append(f"<tr><td>{html.escape(name)}</td>{counts}<td><table>{top}</table></td></tr>")
    parts.append(
        "</table><h2>lengths in characters: smallest, median, 95 %, largest</h2><table><tr><th>family</th><th>question</th><th>answer</th></tr>"
    )
    for name, family in numbers["families"].items():
        lengths = (", ".join(str(value) for value in family[f"{part}_characters"].values()) for part in ("question", "answer"))
        parts.append(f"<tr><td>{html.escape(name)}</td>{''.join(f'<td>{text}</td>' for text in lengths)}</tr>")
    parts.append(f"</table><h2>where boxes and points lie in the picture</h2>{_places(numbers['places'])}")
    return document(title, "".join(parts), _STYLE)


def _bar(name: str, count: int | None, share: float, length: float | None = None) -> str:
    number = "" if count is None else f'<td class="n">{count}</td>'
    bar = f'<div class="bar" style="width:{100 * (share if length is None else length):.1f}%"></div>'
    return f'<tr><td>{html.escape(name[:60])}</td>{number}<td class="n">{share:.1%}</td><td class="track">{bar}</td></tr>'


def _places(cells: list[list[int]], side: int = 32) -> str:
    """The histogram as squares, darker where more lie."""
    most = max(1, *(count for row in cells for count in row))
    squares = "".join(
        f'<rect x="{side * x}" y="{side * y}" width="{side}" height="{side}" fill-opacity="{count / most:.3f}"><title>{count}</title></rect>'
        for y, row in enumerate(cells)
        for x, count in enumerate(row)
    )
    width, height = side * len(cells[0]), side * len(cells)
    return f'<svg width="{width}" height="{height}" style="border:1px solid var(--line)">{squares}</svg>'
