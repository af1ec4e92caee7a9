"""Plots as SVG text for a page that stands alone: small multiples over time, and bars. Colours follow the page's theme."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 460, 150, 46, 22, 20
MOST_POINTS = 600  # of a line: more than the pixels it is drawn with


def traces(title: str, unit: str, seconds: np.ndarray, lines: Sequence[tuple[str, np.ndarray]]) -> str:
    """One panel: lines (class name, values (n,)) over seconds (n,), drawn as points joined where they are close in time."""
    values = np.concatenate([line for _, line in lines])
    low, high = float(values.min()), float(values.max())
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    pad = 0.06 * (high - low)
    low, high = low - pad, high + pad
    end = max(float(seconds[-1]), 1e-9)
    chosen = np.unique(np.linspace(0, len(seconds) - 1, min(len(seconds), MOST_POINTS)).round().astype(int))

    def x(value: float) -> float:
        return LEFT + value / end * (WIDTH - LEFT - 8)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}"><text x="{LEFT}" y="13" class="t">{escape(title)}</text>']
    for mark in _ticks(low, high):
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 8}" y1="{y(mark):.1f}" y2="{y(mark):.1f}" class="g"/><text x="{LEFT - 5}" y="{y(mark) + 3.5:.1f}" class="a">{mark:g}</text>')
    for mark in _ticks(0.0, end):
        parts.append(f'<text x="{x(mark):.1f}" y="{HEIGHT - 6}" class="b">{mark:g} s</text>')
    parts.append(f'<text x="{WIDTH - 8}" y="13" class="u">{escape(unit)}</text>')
    step = float(np.median(np.diff(seconds[chosen]))) if len(chosen) > 1 else 0.0
    for name, line in lines:
        path, before = [], None
        for index in chosen:
            joined = before is not None and seconds[index] - before <= 3 * step
            path.append(f"{'L' if joined else 'M'}{x(seconds[index]):.1f} {y(line[index]):.1f}")
            before = seconds[index]
        dots = "".join(f'<circle cx="{x(seconds[index]):.1f}" cy="{y(line[index]):.1f}" r="1.4"/>' for index in chosen)
        parts.append(f'<g class="{name}"><path d="{"".join(path)}"/>{dots}</g>')
    return "".join(parts) + "</svg>"


def bars(title: str, unit: str, values: Sequence[float], marks: Sequence[tuple[str, float]]) -> str:
    """A histogram of values with named vertical marks."""
    top = max(float(np.percentile(values, 99.5)), max((mark for _, mark in marks), default=0.0)) * 1.05 or 1.0
    counts, edges = np.histogram(np.minimum(values, top), bins=40, range=(0.0, top))
    tallest = max(1, int(counts.max()))
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}"><text x="8" y="13" class="t">{escape(title)}</text><text x="{WIDTH - 8}" y="13" class="u">{escape(unit)}</text>']
    scale = (WIDTH - 16) / top
    for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True):
        height = count / tallest * (HEIGHT - TOP - BOTTOM - 14)
        parts.append(f'<rect x="{8 + left * scale:.1f}" y="{HEIGHT - BOTTOM - height:.1f}" width="{max(0.5, (right - left) * scale - 1):.1f}" height="{height:.1f}" class="r"/>')
    for mark in _ticks(0.0, top):
        parts.append(f'<text x="{8 + mark * scale:.1f}" y="{HEIGHT - 6}" class="b">{mark:g}</text>')
    for row, (name, mark) in enumerate(marks):
        at = 8 + mark * scale
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP + 2}" y2="{HEIGHT - BOTTOM}" class="k"/>')
        side, anchor = (at + 3, "start") if at < WIDTH * 0.7 else (at - 3, "end")
        parts.append(f'<text x="{side:.1f}" y="{TOP + 10 + 11 * row}" class="m" text-anchor="{anchor}">{escape(name)} {mark:.3g}</text>')
    return "".join(parts) + "</svg>"


def _ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers between low and high."""
    rough = (high - low) / 4
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(factor for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough) * power
    first = np.ceil(low / step) * step
    return [float(round(mark, 10)) + 0.0 for mark in np.arange(first, high + step * 1e-6, step)]
