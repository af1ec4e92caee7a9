"""What `vlaser eval bag` leaves: report.html with everything in it, summary.json, and steps.csv with every number."""

from __future__ import annotations

import csv
import json
from html import escape
from pathlib import Path

import cv2
import numpy as np

from vlaser_core.embodiment import Embodiment
from vlaser_core.evaluate.open_loop import THRESHOLDS
from vlaser_core.pages import document, facts, figure, jpeg, table
from vlaser_core.processing.path import grasp_path, grasp_points
from vlaser_core.projection import project, uncalibrated
from vlaser_core.reasoning.draw import BLUE, ORANGE, draw_path
from vlaser_ros.bags.open_loop import Outcome
from vlaser_ros.bags.plots import bars, traces

STILL_WIDTH = 480  # pixels
_STYLE = """
svg { width: 100%; height: auto; font: 11px system-ui, sans-serif; fill: currentColor; } svg .t { font-weight: 600; } svg .u { text-anchor: end; fill: var(--muted); }
svg .a { text-anchor: end; fill: var(--muted); } svg .b { text-anchor: middle; fill: var(--muted); } svg .g { stroke: var(--line); stroke-width: .5; } svg .r { fill: var(--muted); }
svg .k { stroke: var(--policy); } svg path { fill: none; stroke-width: 1.2; } svg .policy path { stroke: var(--policy); } svg .policy circle { fill: var(--policy); }
svg .done path { stroke: var(--done); } svg .done circle { fill: var(--done); } .policy-key { color: var(--policy); font-weight: 600; } .done-key { color: var(--done); font-weight: 600; }
"""


def write(folder: Path, summary: dict, outcome: Outcome, title: str) -> None:
    """The three files into `folder`, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "summary.json").write_text(json.dumps(summary, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    _write_steps(folder / "steps.csv", outcome)
    (folder / "report.html").write_text(page(summary, outcome, title), encoding="utf-8")


def _write_steps(file: Path, outcome: Outcome) -> None:
    names = outcome.sources.embodiment.action.names
    with file.open("w", newline="", encoding="utf-8") as stream:
        steps = csv.writer(stream)
        steps.writerow(["stamp", "step", *(f"policy_{name}" for name in names), *(f"recorded_{name}" for name in names), "inference_s", "view_age_s"])
        for stamp, ours, theirs, inference, age in zip(outcome.stamps, outcome.predicted, outcome.recorded, outcome.inference_s, outcome.view_age_s, strict=True):
            for step, (policy, done) in enumerate(zip(ours, theirs, strict=True)):
                steps.writerow([f"{stamp:.6f}", step, *(f"{value:.6g}" for value in (*policy, *done)), f"{inference:.6f}", f"{age:.6f}"])


def units(embodiment: Embodiment) -> list[str]:
    """The unit of each action dimension."""
    space, grippers = embodiment.action, embodiment.action.gripper_dims
    motion = [dim for dim in range(embodiment.action_dim) if dim not in grippers]
    place = {dim: index for index, dim in enumerate(motion)}
    return ["openness" if dim in grippers else "rad" if space.kind == "joints" or place[dim] % 6 >= 3 else "m" for dim in range(embodiment.action_dim)]


def page(summary: dict, outcome: Outcome, title: str) -> str:
    """The whole page."""
    robot, policy, hold = outcome.sources.embodiment, summary["policy"], summary["hold"]
    against = {"chunks": "the chunks that the gate accepted while recording", "motion": "the motion that the joint states show"}[outcome.against]
    share = "".join(
        f"<tr><td>≤ {t}<td class=n>{policy['within'][str(t)]['all_dims']:.1%}<td class=n>{hold['within'][str(t)]['all_dims']:.1%}"
        + "".join(f"<td class=n>{value:.1%}" for value in policy["within"][str(t)]["per_step"])
        for t in THRESHOLDS
    )
    steps = "".join(f"<th class=n>step {step}" for step in range(robot.action.horizon))
    seconds = np.array(outcome.stamps) - outcome.stamps[0]
    ours, theirs, unit = np.array(outcome.predicted)[:, 0], np.array(outcome.recorded)[:, 0], units(robot)
    panels = "".join(traces(name, unit[dim], seconds, [("done", theirs[:, dim]), ("policy", ours[:, dim])]) for dim, name in enumerate(robot.action.names))
    settings = {key: value for key, value in summary.items() if key not in ("policy", "hold", "timings", "missed", "instructions", "versions", "command")}
    body = f"""<h1>{escape(title)}</h1><p class="muted">{policy["chunks"]} chunks of {robot.action.horizon} steps, <span class="policy-key">policy</span> against
<span class="done-key">{escape(against)}</span>. Errors are between normalised actions: ±1 is the 1st to 99th percentile of the training data, the gripper is openness 0 to 1.
These are open-loop numbers: they rank checkpoints on the same bag and are no success rate.</p>
<h2>Share of steps within a threshold in every dimension</h2><div class="wide"><table><tr><th>error<th class=n>policy<th class=n>holding still{steps}</tr>{share}
<tr><td>L1, mean<td class=n>{policy["l1"]["mean"]:.4f}<td class=n>{hold["l1"]["mean"]:.4f}{"".join(f"<td class=n>{value:.4f}" for value in policy["l1"]["per_step"])}</tr></table></div>
<h2>Per dimension</h2><div class="wide"><table><tr><th>dimension<th class=n>L1<th class=n>holding still<th class=n>L1, physical{"".join(f"<th class=n>≤ {t}" for t in THRESHOLDS)}</tr>{_dimensions(summary, robot, unit)}</table></div>
<h2>Per dimension and step: L1</h2><div class="wide"><table><tr><th>dimension{steps}</tr>{_heat(policy["l1"]["per_step_dim"], robot.action.names)}</table></div>
<h2>First step of each chunk over the episode</h2><div class="grid">{panels}</div>
<h2>Pictures</h2><p class="muted">Grasp point through the chunk: <span class="policy-key">policy</span>, <span class="done-key">recorded</span>; the ring is its end.</p><div class="grid">{_stills(outcome)}</div>
<h2>Times</h2>{_timings(summary["timings"])}<div class="grid">{_histograms(outcome)}</div>
<h2>Instructions</h2>{table(["text", "#chunks"], [(escape(text), str(count)) for text, count in summary["instructions"].items()])}
<h2>Not compared</h2>{facts(summary["missed"]) if summary["missed"] else "<p>nothing was left out</p>"}
<h2>Settings</h2>{facts(settings)}<h2>Versions</h2>{facts(summary["versions"])}<h2>Again</h2><pre>{escape(summary["command"])}</pre>"""
    return document(title, body, _STYLE)


def _dimensions(summary: dict, robot: Embodiment, unit: list[str]) -> str:
    policy, hold = summary["policy"], summary["hold"]
    rows = ""
    for dim, name in enumerate(robot.action.names):
        shares = "".join(f"<td class=n>{policy['within'][str(t)]['per_dim'][name]:.1%}" for t in THRESHOLDS)
        physical = f"{policy['l1_physical']['per_dim'][name]:.4f} {unit[dim]}"
        rows += f"<tr><td>{escape(name)}<td class=n>{policy['l1']['per_dim'][name]:.4f}<td class=n>{hold['l1']['per_dim'][name]:.4f}<td class=n>{physical}{shares}</tr>"
    return rows


def _heat(errors: list[list[float]], names: tuple[str, ...]) -> str:
    largest = max(max(row) for row in errors) or 1.0
    rows = ""
    for dim, name in enumerate(names):
        cells = (f'<td class=n style="background:color-mix(in srgb, var(--policy) {row[dim] / largest * 60:.0f}%, transparent)">{row[dim]:.4f}' for row in errors)
        rows += f"<tr><td>{escape(name)}{''.join(cells)}</tr>"
    return rows


def _timings(timings: dict) -> str:
    names = {
        "inference_s": "inference, now, on this machine",
        "view_age_s": "age of a view when its last message had arrived (recorded)",
        "recorded_inference_s": "inference while recording",
        "recorded_chunk_age_s": "age of the view at the controller's verdict (recorded)",
    }
    rows = ""
    for key, name in names.items():
        if found := timings[key]:
            rows += f"<tr><td>{name}" + "".join(f"<td class=n>{found[each] * 1000:.1f}" for each in ("p50", "p90", "p99", "max")) + f"<td class=n>{found['count']}</tr>"
    return f"<table><tr><th>ms<th class=n>median<th class=n>90 %<th class=n>99 %<th class=n>largest<th class=n>count</tr>{rows}</table>"


def _histograms(outcome: Outcome) -> str:
    panels = []
    for title, values in (("inference", outcome.inference_s), ("age of the view", outcome.view_age_s), ("age at the verdict", outcome.recorded_chunk_age_s)):
        if values:
            shown = np.array(values) * 1000
            panels.append(bars(title, "ms", shown, [(f"{level} %", float(np.percentile(shown, level))) for level in (50, 99)]))
    return "".join(panels)


def _stills(outcome: Outcome) -> str:
    figures = ""
    for index, picture in outcome.stills:
        picture = np.ascontiguousarray(picture)
        scale = STILL_WIDTH / picture.shape[1]
        canvas = cv2.resize(picture, (STILL_WIDTH, round(picture.shape[0] * scale)), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        for actions, colour in ((outcome.recorded[index], BLUE), (outcome.predicted[index], ORANGE)):
            path = _path(outcome, index, actions, canvas.shape[:2])
            if path is not None:
                draw_path(canvas, path, colour)
        figures += figure(jpeg(canvas), f"chunk {index}, {outcome.stamps[index] - outcome.stamps[0]:.1f} s", f"chunk {index}")
    return figures


def _path(outcome: Outcome, index: int, actions: np.ndarray, size: tuple[int, int]) -> np.ndarray | None:
    """Pixels (H + 1, 2) of the first arm's grasp point in the first camera; None where that is not calibrated."""
    robot = outcome.sources.embodiment
    camera = robot.cameras[0]
    if uncalibrated(camera):
        return None
    path = grasp_path(robot, grasp_points(robot, outcome.joints[index]), actions)
    return project(camera, path[:, 0], size[1], size[0])
