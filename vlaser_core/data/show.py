"""A page of samples to look at: pictures with boxes and points drawn, questions and answers, by family.

One HTML file that needs nothing else; pictures are inside it.
"""

from __future__ import annotations

import html
from collections import Counter

import cv2
import numpy as np

from vlaser_core.data.shards.reader import RecordSet, decode
from vlaser_core.data.source import Sample
from vlaser_core.pages import document, jpeg
from vlaser_core.reasoning.draw import GREEN, ORANGE, draw_stated

_WIDTH = 420
_STYLE = """
.sample { background: var(--card); border: 1px solid var(--line); border-radius: 8px; overflow: hidden; } .sample img { border-radius: 0; }
.text { padding: .7rem .9rem; } .q { font-weight: 600; white-space: pre-wrap; } .a { white-space: pre-wrap; margin: .15rem 0 .5rem; overflow-wrap: anywhere; }
.label { font-size: .8rem; overflow-wrap: anywhere; } nav a { margin-right: .8rem; white-space: nowrap; color: var(--done); }
"""


def page(records: RecordSet, per_family: int = 6, seed: int = 0) -> str:
    """The page: `per_family` samples of each family, drawn at random by `seed`."""
    families: dict[str, list[int]] = {}
    for number, record in enumerate(records):
        families.setdefault(f"{record.category} · {record.family}", []).append(number)
    rng = np.random.default_rng(seed)
    parts = []
    for name in sorted(families):
        numbers = families[name]
        chosen = sorted(rng.choice(numbers, min(per_family, len(numbers)), replace=False).tolist())
        parts.append(
            f'<h2 id="{html.escape(name)}">{html.escape(name)} <span class="muted">{len(numbers)} records</span></h2><div class="grid">'
        )
        parts += [_sample(records.sample(number)) for number in chosen]
        parts.append("</div>")
    links = " ".join(f'<a href="#{html.escape(name)}">{html.escape(name)}</a>' for name in sorted(families))
    domains = Counter(record.domain for record in records)
    shown = ", ".join(f"{count} of {domain}" for domain, count in sorted(domains.items()))
    about = f"{len(records)} records, {len(families)} families; {shown}. Green: the answer. Orange: places the question names."
    body = f'<h1>{html.escape(records.folder.name)}</h1><p class="muted">{html.escape(about)}</p><nav>{links}</nav>{"".join(parts)}'
    return document(records.folder.name, body, _STYLE)


def drawn(sample: Sample, index: int = 0) -> np.ndarray:
    """One of the sample's pictures with what its texts state drawn in, RGB, enlarged to at least _WIDTH pixels."""
    picture = decode(sample.pictures[index])
    scale = max(1.0, _WIDTH / picture.shape[1])
    canvas = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    if index:
        return canvas  # coordinates speak of the first picture
    for question, answer in sample.record.turns():
        draw_stated(canvas, question, ORANGE)
        draw_stated(canvas, answer, GREEN)
    return canvas


def _sample(sample: Sample) -> str:
    images = [f'<img alt="" src="{jpeg(drawn(sample, index), quality=88)}">' for index in range(len(sample.pictures))]
    record = sample.record
    turns = "".join(
        f'<div class="q">{html.escape(question)}</div><div class="a">{html.escape(answer)}</div>' for question, answer in sample.record.turns()
    )
    label = html.escape(f"{record.id} · {record.source} · {record.domain} · {record.split} · {record.provenance} · {record.licence}")
    return f'<div class="sample">{"".join(images)}<div class="text">{turns}<div class="label">{label}</div></div></div>'
