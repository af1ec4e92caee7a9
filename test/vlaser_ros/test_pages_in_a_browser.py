"""Every kind of page, opened in a real browser: it renders, asks for nothing, and complains of nothing. Skipped without Chromium."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from vlaser_core.data.stats_page import stats_page
from vlaser_core.evaluate.report import compare
from vlaser_core.evaluate.report.media import film
from vlaser_core.evaluate.report.model import Item, Matrix, Measure, Report
from vlaser_core.evaluate.report.page import page
from vlaser_core.evaluate.report.results import Number, Results
from vlaser_core.pages import document
from vlaser_ros.demo import report as demo
from vlaser_ros.demo.film import Strip
from vlaser_ros.demo.settings import Episode

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
GREY = np.full((48, 64, 3), 90, np.uint8)
# Whatever is not inside the page is refused, and told.
POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
PROBE = """<script>
const wrong = [];
addEventListener('error', event => wrong.push(event.message || event.target.tagName + ' cannot be shown'), true);
addEventListener('securitypolicyviolation', event => wrong.push('refused: ' + event.blockedURI));
addEventListener('load', () => setTimeout(() => parent.postMessage({
  page: PAGE, wrong, requests: performance.getEntriesByType('resource').map(entry => entry.name).filter(name => !name.startsWith('data:')),
  pictures: [...document.images].map(picture => picture.naturalWidth), films: [...document.querySelectorAll('video')].map(film => film.videoWidth),
  size: [document.documentElement.scrollWidth, document.documentElement.scrollHeight], rows: document.querySelectorAll('tr').length}, '*'), 300));
</script>"""
HARNESS = """<!doctype html><body>FRAMES<script>
const seen = [];
addEventListener('message', event => { seen.push(event.data); if (seen.length == COUNT) { const all = document.createElement('pre'); all.textContent = JSON.stringify(seen); document.body.replaceChildren(all); } });
</script></body>"""


def looked_at(folder, pages: dict[str, str]) -> tuple[dict[str, dict], str]:
    """What the browser saw of each page, and what it wrote on its console. All pages are opened in one browser: it takes seconds to start."""
    for name, text in pages.items():
        assert text.count("<head>") == 1
        probe = PROBE.replace("PAGE", json.dumps(name))
        (folder / f"{name}.html").write_text(text.replace("<head>", f'<head><meta http-equiv="Content-Security-Policy" content="{POLICY}">{probe}'))
    frames = "".join(f'<iframe src="{name}.html" width="1200" height="800"></iframe>' for name in pages)
    (folder / "all.html").write_text(HARNESS.replace("FRAMES", frames).replace("COUNT", str(len(pages))))
    quiet = ("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", f"--user-data-dir={folder / 'profile'}")
    shown = ("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=15000", "--dump-dom")
    ended = subprocess.run([BROWSER, *shown, *quiet, f"file://{folder / 'all.html'}"], capture_output=True, text=True, timeout=110)
    found = re.search(r"<pre>(.*)</pre>", ended.stdout, re.DOTALL)
    assert found, f"not every page was shown: {ended.stdout[-300:]} {ended.stderr[-500:]}"
    console = "\n".join(line for line in ended.stderr.splitlines() if "CONSOLE" in line)
    return {each["page"]: each for each in json.loads(html.unescape(found[1]))}, console


def a_report() -> str:
    measures = (Measure("carrot", 0.5, (0.2, 0.8), 10, "a note", {"Vlaser-2B": 0.6}), Measure("mean", 0.25, main=True))
    matrix = Matrix(tuple("ABCDEFGHIJKL"), (("ours", {"A": 1.0}, False), ("GPT-4o", {"A": 2.0}, True)), "the paper")
    items = (Item("seed 1", 0.0, "failed", film=film([GREY] * 3, 5.0)), Item("<b>", 0.4, pictures=(GREY, GREY), lines=(("answer", "no " * 200),)))
    return page(Report("A report", "half", measures, {"model": "nano"}, "vlaser eval " + "x" * 300, ("PARTIAL",), matrix, items, 9))


def a_comparison() -> str:
    runs = [
        Results("tabletop", name, {"carrot": Number(share, (0.1, 0.9), 4)}, {("carrot", f"seed {k}"): float(k < 4 * share) for k in range(4)}, {"name": name})
        for name, share in (("a", 0.25), ("b", 0.75))
    ]
    return compare.page(compare.compare(*runs), "vlaser eval compare a b")


def a_demo() -> str:
    episode = Episode("one", 0, 20, "put <it> there", "carrot", ("grasp", "lift"), "1. grasp", "x", 100.0, 102.0, True)
    summary = demo.summarise([episode], versions=demo.versions(), commands=["vlaser demo"])
    return demo.page(summary, [episode], [Strip((GREY, GREY), (0, 1))], None)


def some_statistics() -> str:
    family = {"records": 2, "different_questions": 1, "different_answers": 1, "top_answers": [{"answer": "<i>", "share": 1.0}]}
    lengths = {f"{part}_characters": {"smallest": 1, "largest": 2} for part in ("question", "answer")}
    return stats_page("a set", {"records": 2, "pictures": 1, "digest": "00", "mix": {"category": {"qa": 2}}, "families": {"count": family | lengths}, "places": [[0, 1], [2, 0]]})


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_pages_render_without_complaint_and_ask_for_nothing(tmp_path):
    bad = document("bad", '<img src="https://example.org/a.png"><img src="data:image/png;base64,AAAA"><script>nonsense()</script>')
    pages = {"report": a_report(), "comparison": a_comparison(), "demo": a_demo(), "statistics": some_statistics(), "bad": bad}
    seen, console = looked_at(tmp_path, pages)
    # The probe would notice: what is fetched, what cannot be shown, what a script does wrong.
    wrong = " ".join(seen.pop("bad")["wrong"])
    assert "refused: https://example.org/a.png" in wrong and "IMG cannot be shown" in wrong and "nonsense" in wrong
    assert "bad.html" in console and not [line for line in console.splitlines() if "bad.html" not in line]
    for name, each in seen.items():
        assert not each["wrong"] and not each["requests"] and each["rows"] > 1 and each["size"][1] > 200, (name, each)
        # Nothing sticks out at the side of a window of 1200 pixels.
        assert each["size"][0] <= 1200 and 0 not in each["pictures"] + each["films"], (name, each)
    assert seen["report"]["films"] == [64] and len(seen["report"]["pictures"]) == 2 and len(seen["demo"]["pictures"]) == 2
