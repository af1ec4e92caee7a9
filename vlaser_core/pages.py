"""One look for every page this project writes: a single HTML file that needs nothing else, in light and dark.

Texts are escaped here; pictures and films are inside the page.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import cv2
import numpy as np

STYLE = """
:root { color-scheme: light dark; --ink: #1b2430; --paper: #fbfbfa; --card: #fff; --line: #8884; --muted: #77808c; --yes: #1a9d4b; --no: #c4512d; --policy: #d9780f; --done: #2f7fe0; --tint: #2f7fe014; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --paper: #14181d; --card: #1b2027; --muted: #8d97a3; --yes: #3fbf70; --no: #e8795a; --policy: #f0a04a; --done: #69a7f5; --tint: #69a7f51c; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin-bottom: .2rem; } h2 { font-size: 1.25rem; margin: 2.5rem 0 .6rem; } h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; } .wide { overflow-x: auto; }
table { border-collapse: collapse; } th, td { text-align: left; padding: .32rem .9rem .32rem .3rem; border-bottom: 1px solid var(--line); vertical-align: top; } th { font-weight: 600; font-size: .9rem; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; padding-left: .9rem; white-space: nowrap; } .muted, figcaption, .label { color: var(--muted); font-size: .9rem; }
.yes { color: var(--yes); font-weight: 600; } .no { color: var(--no); font-weight: 600; } code { font-size: .92em; overflow-wrap: anywhere; }
.grid, .strip { display: grid; grid-template-columns: repeat(auto-fill, minmax(21rem, 1fr)); gap: .8rem; } figure { margin: 0; } img, video { width: 100%; height: auto; border-radius: 4px; display: block; }
pre { overflow-x: auto; padding: .6rem; border: 1px solid var(--line); border-radius: 6px; background: var(--card); font-size: .9rem; } details { margin: .5rem 0; } summary { cursor: pointer; }
"""


def document(title: str, body: str, style: str = "") -> str:
    """A whole page. body: HTML; style: CSS of this page alone."""
    # An icon of no bytes: a browser would otherwise look for one on the machine that shows the page.
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><link rel="icon" href="data:,"><title>{escape(title)}</title>'
    return f'<!doctype html><html lang="en"><head>{head}<style>{STYLE}{style}</style></head><body>{body}</body></html>\n'


def told(value: Any) -> str:
    """A fact's value as text, escaped."""
    return escape(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def facts(values: Mapping[str, Any]) -> str:
    """A table of names and values."""
    rows = "".join(f"<tr><td>{escape(str(name))}</td><td>{told(value)}</td></tr>" for name, value in values.items())
    return f"<table>{rows}</table>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table. Cells are HTML; a column whose head begins with `#` holds numbers."""
    numbers = [name.startswith("#") for name in head]
    top = "".join(f"<th{' class=n' if number else ''}>{escape(name.lstrip('#'))}</th>" for name, number in zip(head, numbers, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td class=n>{cell}</td>' if number else f'<td>{cell}</td>' for cell, number in zip(row, numbers, strict=True))}</tr>" for row in rows
    )
    return f'<div class="wide"><table><tr>{top}</tr>{body}</table></div>'


def jpeg(pixels: np.ndarray, width: int | None = None, quality: int = 85) -> str:
    """A picture, RGB uint8 (H, W, 3), as a data URI; stretched to `width` pixels where it is given."""
    if width is not None and width != pixels.shape[1]:
        how = cv2.INTER_AREA if width < pixels.shape[1] else cv2.INTER_CUBIC
        pixels = cv2.resize(pixels, (width, max(1, round(pixels.shape[0] * width / pixels.shape[1]))), interpolation=how)
    _, encoded = cv2.imencode(".jpg", np.ascontiguousarray(pixels[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data_uri(encoded.tobytes(), "image/jpeg")


def data_uri(data: bytes, kind: str) -> str:
    """A file as a part of the page. kind: its media type."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def figure(picture: str, caption: str, alt: str = "") -> str:
    """A picture (data URI) with its caption, which is HTML."""
    return f'<figure><img src="{picture}" alt="{escape(alt)}"><figcaption>{caption}</figcaption></figure>'
