"""report.html: one page with everything in it, and summary.json: the same for a program."""

from __future__ import annotations

import base64
import json
import platform
from collections.abc import Sequence
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from vlaser_ros.demo.film import Strip
from vlaser_ros.demo.settings import Episode

PACKAGES = ("vlaser-ros", "torch", "transformers", "mujoco", "numpy", "ros-rclpy", "ros-fastdds", "rosbags", "av")
STILL_WIDTH = 480  # pixels
_STYLE = """
:root { color-scheme: light dark; --line: #8885; --muted: #888; --yes: #1a9d4b; --no: #c4512d; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin-bottom: .2rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; }
table { border-collapse: collapse; } th, td { text-align: left; padding: .35rem .9rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; } .yes { color: var(--yes); font-weight: 600; } .no { color: var(--no); font-weight: 600; }
.muted, figcaption { color: var(--muted); font-size: .9rem; } video { max-width: 44rem; } .strip { display: grid; grid-template-columns: repeat(auto-fill, minmax(21rem, 1fr)); gap: .6rem; }
figure { margin: 0; } img, video { width: 100%; height: auto; border-radius: 4px; display: block; } pre { overflow-x: auto; padding: .6rem; border: 1px solid var(--line); border-radius: 4px; }
"""


def versions() -> dict[str, str]:
    """What ran: interpreter, machine, and the packages that matter; a package that is absent is said to be."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


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


def _picture(picture: np.ndarray) -> str:
    height = round(picture.shape[0] * STILL_WIDTH / picture.shape[1])
    small = cv2.resize(picture, (STILL_WIDTH, height), interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", np.ascontiguousarray(small[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()


def _cell(times: dict | None) -> str:
    return f'<td class="n">{times["median"]:.0f}</td><td class="n">{times["worst"]:.0f}</td>' if times else '<td class="n"></td><td class="n"></td>'


def _outcome(success: bool | None) -> str:
    return {True: '<td class="yes">yes</td>', False: '<td class="no">no</td>', None: '<td class="muted">did not end</td>'}[success]


def _row(episode: Episode) -> str:
    facts = episode.to_json()
    return (
        f"<tr><td>{escape(episode.task)}</td>{_outcome(episode.success)}<td class=n>{episode.chunks}</td><td class=n>{episode.rejected}</td>"
        f"{_cell(facts['inference_ms'])}{_cell(facts['observation_age_ms'])}<td class=n>{facts['duration_s'] or ''}</td></tr>"
    )


def _section(episode: Episode, strip: Strip) -> str:
    steps = "".join(f"<li>{escape(step)}</li>" for step in episode.plan)
    plan = f"<ol>{steps}</ol>" if steps else f'<p class="muted">No steps. The model wrote: {escape(episode.plan_text) or "nothing"}</p>'
    figures = "".join(
        f'<figure><img src="{_picture(picture)}" alt="{escape(episode.instruction)}, chunk {chunk}"><figcaption>chunk {chunk}</figcaption></figure>'
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
    facts = {key: value for key, value in summary.items() if key not in ("tasks", "versions", "commands")}
    rows = "".join(f"<tr><td>{escape(key)}</td><td>{escape(value if isinstance(value, str) else json.dumps(value))}</td></tr>" for key, value in facts.items())
    sections = "".join(_section(episode, strip) for episode, strip in zip(episodes, strips, strict=True) if episode.began)
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Vlaser demo</title><style>{_STYLE}</style>
<h1>Vlaser on the simulated tabletop</h1><p class="muted">{escape(headline)}. Green: what the model found. Orange: where the newest action chunk leads, ring at its end. Success is the world's own test after the last chunk.</p>
<table><tr><th>task<th>success<th class=n>chunks<th class=n>rejected<th class=n>inference<br>median ms<th class=n><br>worst<th class=n>observation age<br>median ms<th class=n><br>worst<th class=n><br>seconds</tr>
{"".join(_row(episode) for episode in episodes)}</table>{video}{sections}
<h2>Settings</h2><table>{rows}</table>
<h2>Versions</h2><table>{"".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in summary["versions"].items())}</table>
<h2>Again</h2><pre>{escape(chr(10).join(summary["commands"]))}</pre></html>
"""


def write(folder: Path, summary: dict, episodes: Sequence[Episode], strips: Sequence[Strip], film: str | None) -> None:
    """summary.json and report.html into `folder`."""
    (folder / "summary.json").write_text(json.dumps(summary, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    (folder / "report.html").write_text(page(summary, episodes, strips, film), encoding="utf-8")
