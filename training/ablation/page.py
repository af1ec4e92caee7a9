"""The experiment as a page: who succeeds how often, what each can answer, and how fast the expert learns on it."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

from training.ablation.summary import DOMAINS, chance, percent, span
from vlaser_core.pages import document, facts, table

TASKS = {
    "widowx_spoon_on_towel": "spoon",
    "widowx_carrot_on_plate": "carrot",
    "widowx_stack_cube": "cube",
    "widowx_put_eggplant_in_basket": "eggplant",
}
PAPER = {"base": 41.8, "ood": 43.2, "qa": 62.6, "spatial": 60.8, "grounding": 62.0, "all": 65.1}
"""Success on WidowX in SimplerEnv that the paper prints for these initialisations of the 2B model, percent."""
COLOURS = ("#77808c", "#d9780f", "#2f7fe0", "#1a9d4b", "#a24bd1", "#c4312d", "#0aa2a2", "#8a6d3b")
WIDTH, HEIGHT, LEFT, BOTTOM = 620, 300, 56, 34
_STYLE = """
svg { width: 100%; max-width: 46rem; height: auto } svg text { font: 12px system-ui, sans-serif; fill: currentColor } .axis { stroke: var(--line) }
.whisker { stroke: currentColor; stroke-width: 1.5 } .pair { display: flex; flex-wrap: wrap; gap: 1rem } .pair svg { flex: 1 1 28rem } .legend i { display: inline-block; width: .8rem; height: .8rem; border-radius: 2px; margin: 0 .3rem 0 1rem }
"""


def write_report(summary: dict, folder: Path) -> None:
    """`index.html` and `ablation.json` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ablation.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    (folder / "index.html").write_text(page(summary), encoding="utf-8")


def page(summary: dict) -> str:
    """One HTML file that needs nothing else."""
    rows, jobs = summary["initialisations"], summary["jobs"]
    names = [row["name"] for row in rows]
    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(names)}
    judged = [row for row in rows if row["mean"] is not None]
    unfinished = "" if jobs["done"] == jobs["all"] else f" <b>Unfinished: {jobs['done']} of {jobs['all']} jobs are done.</b>"
    parts = [
        "<h1>In-domain against out-of-domain reasoning data</h1>",
        f"<p>{len(rows)} backbones, one stage 2: the backbone frozen, the same expert, data and number of updates. Seeds: {len(summary['settings']['seeds'])}; "
        f"episodes a task and seed: {summary['settings']['judging']['episodes']}, on the tabletop, success at the final step"
        f"{', drawn by ' + escape(summary['renderer']) if summary['renderer'] else ''}. Core hours: {jobs['core_hours']}.{unfinished}</p>",
        "<h2>Success</h2>",
        success_bars(judged, colours) if judged else "<p>No episode is done yet.</p>",
        _success_table(judged),
        "<h2>Do answers tell who will succeed?</h2><p class='muted'>Success over the share of held-out questions answered rightly: elsewhere, on the robot's own table, "
        "and of the latter those that ask where something is.</p>",
        f"<div class='pair'>{''.join(answers_and_success(judged, *of, colours) for of in (*((domain, None) for domain in DOMAINS), (DOMAINS[-1], 'grounding')))}</div>",
        "<h2>What each backbone answers</h2><p class='muted'>Greedy answers to held-out questions, mean over the four categories; "
        "elsewhere: floors, desks and shelves without a robot; tabletop: the robot's own view.</p>",
        _answers_table(rows),
        "<h2>How fast the expert learns on it</h2><p class='muted'>Error of whole sampled chunks on held-out scenes, mean over seeds: median horizontal error at the end of a chunk, mm.</p>",
        curves(summary["curves"], colours),
        _legend(colours),
    ]
    if summary["sensitivities"]:
        parts += ["<h2>Sensitivities</h2>", _sensitivity_table(summary)]
    parts.append(f"<details><summary>Settings</summary>{facts(summary['settings'])}</details>")
    return document("In-domain against out-of-domain reasoning data", "".join(parts), _STYLE)


def success_bars(rows: list[dict], colours: dict[str, str]) -> str:
    """A bar an initialisation with its 95 % interval, and a ring for each seed."""
    step, width, top = (WIDTH - LEFT) / max(1, len(rows)), 54, _top(rows)
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="success by initialisation">', _scale(top)]
    for number, row in enumerate(rows):
        x, value = LEFT + step * (number + 0.5), 100 * row["mean"]
        low, high = (100 * bound for bound in row["interval_95"])
        parts.append(f'<rect x="{x - width / 2:.1f}" y="{_y(value, top):.1f}" width="{width}" height="{_y(0, top) - _y(value, top):.1f}" fill="{colours[row["name"]]}" rx="2"/>')
        parts.append(f'<path class="whisker" d="M{x:.1f} {_y(low, top):.1f}V{_y(high, top):.1f}M{x - 6:.1f} {_y(low, top):.1f}h12M{x - 6:.1f} {_y(high, top):.1f}h12"/>')
        parts += [f'<circle cx="{x + 18:.1f}" cy="{_y(100 * one, top):.1f}" r="3.5" fill="none" stroke="currentColor"/>' for one in row["seeds"].values()]
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 14}" text-anchor="middle">{escape(row["name"])}</text>')
        parts.append(f'<text x="{x - 8:.1f}" y="{_y(high, top) - 6:.1f}" text-anchor="middle" font-weight="600">{value:.1f}</text>')
    return "".join(parts) + "</svg><p class='muted'>Bars: mean over tasks; whiskers: 95 % interval over all episodes; rings: one seed each.</p>"


def answers_and_success(rows: list[dict], domain: str, category: str | None, colours: dict[str, str]) -> str:
    """A point an initialisation: questions of a domain across, of all categories or of one, success up; whiskers are 95 % intervals."""
    shares = {
        row["name"]: 100 * (answers["mean"] if category is None else answers["categories"][category])
        for row in rows
        if (answers := row["reasoning"].get(domain)) and (category is None or category in answers["categories"])
    }
    if not shares:
        return ""
    top, across, label = _top(rows), max(1.0, *shares.values()) * 1.1, f"questions, {domain}{': ' + category if category else ''}"
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="success over {label}">', _scale(top)]
    for part in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(f'<text x="{LEFT + part * (WIDTH - LEFT - 90):.1f}" y="{HEIGHT - 16}" text-anchor="middle">{part * across:.0f} %</text>')
    parts.append(f'<text x="{(LEFT + WIDTH) / 2:.0f}" y="{HEIGHT - 2}" text-anchor="middle">{escape(label)}</text>')
    for row in rows:
        if row["name"] in shares:
            x = LEFT + shares[row["name"]] / across * (WIDTH - LEFT - 90)
            low, high, y = (_y(100 * bound, top) for bound in (*row["interval_95"], row["mean"]))
            parts.append(f'<path class="whisker" d="M{x:.1f} {low:.1f}V{high:.1f}"/><circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="{colours[row["name"]]}"/>')
            parts.append(f'<text x="{x + 9:.1f}" y="{y - 5:.1f}">{escape(row["name"])}</text>')
    return "".join(parts) + "</svg>"


def _top(rows: list[dict]) -> float:
    """Where an axis of success ends, in percent: above all intervals, so that small differences can be seen."""
    highest = max((100 * max(row["interval_95"][1], *row["seeds"].values()) for row in rows), default=100.0)
    return next(mark for mark in (20.0, 40.0, 60.0, 80.0, 100.0) if highest * 1.08 <= mark or mark == 100.0)


def _scale(top: float) -> str:
    """Lines across at quarters of `top`, in percent."""
    marks = ((share * top, _y(share * top, top)) for share in (0.0, 0.25, 0.5, 0.75, 1.0))
    return "".join(
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/><text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{mark:.0f} %</text>'
        for mark, y in marks
    )


def _y(value: float, top: float) -> float:
    return 12 + (HEIGHT - BOTTOM - 12) * (1 - value / top)


def curves(found: dict[str, list[dict]], colours: dict[str, str]) -> str:
    """Median horizontal chunk error over updates of stage 2."""
    if not found:
        return "<p>No policy is trained yet.</p>"
    last = max(entry["step"] for curve in found.values() for entry in curve)
    top = max(entry["xy_mm"] for curve in found.values() for entry in curve) * 1.05
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="error while stage 2 trains">']
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y, x = _y(share * top, top), LEFT + share * (WIDTH - LEFT - 20)
        parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/><text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{share * top:.0f}</text>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 14}" text-anchor="middle">{share * last:.0f}</text>')
    for name, curve in found.items():
        points = " ".join(f"{LEFT + entry['step'] / last * (WIDTH - LEFT - 20):.1f},{_y(entry['xy_mm'], top):.1f}" for entry in curve)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colours.get(name, "#000")}" stroke-width="2"><title>{escape(name)}</title></polyline>')
    return "".join(parts) + "</svg>"


def _legend(colours: dict[str, str]) -> str:
    return '<p class="legend">' + "".join(f'<i style="background:{colour}"></i>{escape(name)}' for name, colour in colours.items()) + "</p>"


def _success_table(rows: list[dict]) -> str:
    tasks = sorted({task for row in rows for task in row["tasks"]})
    head = ["", "#mean", "#95 %", *(f"#{TASKS.get(task, task)}" for task in tasks), "#only it / only base", "#p", "#paper, 2B (published)"]
    body = []
    for row in rows:
        paired = row["against_base"]
        shares = [f"{row['tasks'][task]['wins']}/{row['tasks'][task]['of']}" if task in row["tasks"] else "" for task in tasks]
        split = (f"{paired['better']} / {paired['worse']}", escape(chance(paired))) if paired else ("", "")
        paper = f"<i>{PAPER[row['name']]}</i>" if row["name"] in PAPER else ""
        body.append([escape(row["name"]), percent(row["mean"]), span(row["interval_95"]), *shares, *split, paper])
    note = "p: McNemar's exact test over the same scenes and seeds. The paper's column is another model, simulator and task set; it is here to compare the order."
    return table(head, body) + f'<p class="muted">{note}</p>'


def _answers_table(rows: list[dict]) -> str:
    categories = sorted({category for row in rows for domain in row["reasoning"].values() for category in domain["categories"]})
    head = ["", *(f"#{domain}" for domain in DOMAINS), *(f"#{domain}: {category}" for domain in DOMAINS for category in categories), "#pictures", "#updates"]
    body = []
    for row in rows:
        asked = row["reasoning"]
        cells = [percent(asked[domain]["mean"]) if domain in asked else "" for domain in DOMAINS]
        cells += [percent(asked[domain]["categories"].get(category)) if domain in asked else "" for domain in DOMAINS for category in categories]
        body.append([escape(row["name"]), *cells, str(row["stage1"].get("pictures", "")), str(row["stage1"].get("updates", ""))])
    return table(head, body)


def _sensitivity_table(summary: dict) -> str:
    main = {row["name"]: row for row in summary["initialisations"]}
    body = []
    for one in summary["sensitivities"]:
        whole, paired = main[one["of"]], one["against_main"]
        split = (f"{paired['better']} / {paired['worse']}", escape(chance(paired))) if paired else ("", "")
        body.append([escape(one["name"]), escape(one["of"]), percent(one["mean"]), span(one["interval_95"]), str(one["episodes"]), percent(whole["mean"]), *split])
    return table(["", "of", "#success", "#95 %", "#episodes", "#as in the main table", "#only it / only main", "#p"], body)
