"""report.html: one page with everything in it, and summary.json: the same for a program."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from statistics import median

from vlaser_core.evaluate.report.model import versions as versions_of
from vlaser_core.pages import document, facts, figure, jpeg
from vlaser_ros.demo.film import Strip
from vlaser_ros.demo.settings import Episode

PACKAGES = ("vlaser-ros", "torch", "transformers", "mujoco", "numpy", "ros-rclpy", "ros-fastdds", "rosbags", "av")
STILL_WIDTH = 480  # pixels
_STYLE = "video { max-width: 44rem; }"


def versions() -> dict[str, str]:
    """What ran: interpreter, machine, and the packages that matter to a robot's processes."""
    return versions_of(PACKAGES)


def summarise(episodes: Sequence[Episode], **facts: object) -> dict:
    """The demo in numbers. Means are over episodes that ended; null where none did. `facts` go in as they are."""
    ended = [episode for episode in episodes if episode.success is not None]
    inference = [value * 1000 for episode in episodes for value in episode.inference_s]
    ages = [value * 1000 for episode in episodes for value in episode.age_s]
    return {
        "mean_success": sum(bool(episode.success) for episode in ended) / len(ended) if ended else None,
        "episodes_ended": len(ended),
        "episodes_planned": len(episodes),
        "chunks": len(inference),
        "inference_ms": {"median": round(median(inference), 1), "worst": round(max(inference), 1)} if inference else None,
        "observation_age_ms": {"median": round(median(ages), 1), "worst": round(max(ages), 1)} if ages else None,
        **facts,
        "tasks": {episode.task: episode.to_json() for episode in episodes},
    }


def _cell(times: dict | None) -> str:
    return f'<td class="n">{times["median"]:.0f}</td><td class="n">{times["worst"]:.0f}</td>' if times else '<td class="n"></td><td class="n"></td>'


def _outcome(success: bool | None) -> str:
    return {True: '<td class="yes">yes</td>', False: '<td class="no">no</td>', None: '<td class="muted">did not end</td>'}[success]


def _row(episode: Episode) -> str:
    told = episode.to_json()
    return (
        f"<tr><td>{escape(episode.task)}</td>{_outcome(episode.success)}<td class=n>{episode.chunks}</td><td class=n>{episode.rejected}</td>"
        f"{_cell(told['inference_ms'])}{_cell(told['observation_age_ms'])}<td class=n>{told['duration_s'] or ''}</td></tr>"
    )


def _section(episode: Episode, strip: Strip) -> str:
    steps = "".join(f"<li>{escape(step)}</li>" for step in episode.plan)
    plan = f"<ol>{steps}</ol>" if steps else f'<p class="muted">No steps. The model wrote: {escape(episode.plan_text) or "nothing"}</p>'
    figures = "".join(
        figure(jpeg(picture, STILL_WIDTH), f"chunk {chunk}", f"{episode.instruction}, chunk {chunk}")
        for picture, chunk in zip(strip.pictures, strip.chunks, strict=True)
    )
    error = f'<p class="no">{escape(episode.error)}</p>' if episode.error else ""
    return f"""<h2>{escape(episode.instruction or episode.task)}</h2>{error}
<p class="muted">{escape(episode.task)}, scene {episode.seed}. Looked for: {escape(episode.target)}. Answer: <code>{escape(episode.grounded) or "none"}</code></p>
{plan}<div class="strip">{figures}</div>"""


def page(summary: dict, episodes: Sequence[Episode], strips: Sequence[Strip], film: str | None) -> str:
    """The whole page. film: file name beside the page, None when there is none."""
    rate = summary["mean_success"]
    headline = f"{sum(e.success is True for e in episodes)} of {summary['episodes_ended']} tasks done" if rate is not None else "No task ended"
    video = f'<p><video controls preload="metadata" src="{escape(film)}"></video></p>' if film else ""
    settings = {key: value for key, value in summary.items() if key not in ("tasks", "versions", "commands")}
    sections = "".join(_section(episode, strip) for episode, strip in zip(episodes, strips, strict=True) if episode.began)
    body = f"""<h1>Vlaser on the simulated tabletop</h1><p class="muted">{escape(headline)}. Green: what the model found. Orange: where the newest action chunk leads, ring at its end. Success is the world's own test after the last chunk.</p>
<div class="wide"><table><tr><th>task<th>success<th class=n>chunks<th class=n>rejected<th class=n>inference<br>median ms<th class=n><br>worst<th class=n>observation age<br>median ms<th class=n><br>worst<th class=n><br>seconds</tr>
{"".join(_row(episode) for episode in episodes)}</table></div>{video}{sections}
<h2>Settings</h2>{facts(settings)}<h2>Versions</h2>{facts(summary["versions"])}<h2>Again</h2><pre>{escape(chr(10).join(summary["commands"]))}</pre>"""
    return document("Vlaser demo", body, _STYLE)


def write(folder: Path, summary: dict, episodes: Sequence[Episode], strips: Sequence[Strip], film: str | None) -> None:
    """summary.json and report.html into `folder`."""
    (folder / "summary.json").write_text(json.dumps(summary, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    (folder / "report.html").write_text(page(summary, episodes, strips, film), encoding="utf-8")
