"""Ctrl-C in the middle of an episode: nothing goes on running, and what was recorded is there to look at."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import psutil
import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")
pytest.importorskip("mujoco")

from vlaser_core.embodiment import load_embodiment
from vlaser_ros.bags.reader import Bag
from vlaser_ros.bringup import load_bringup
from vlaser_ros.demo.playback import moments

pytestmark = [pytest.mark.ros, pytest.mark.slow, pytest.mark.timeout(360)]


def test_ctrl_c_during_an_episode_leaves_results_and_no_process(tmp_path):
    out = tmp_path / "demo"
    command = [sys.executable, "-m", "vlaser_ros.cli", "demo", "--engine", "stand_in", "--tasks", "widowx_carrot_on_plate", "--out", str(out)]
    demo = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert any("ready; pictures drawn by" in line for line in demo.stdout), "the stack did not come up"
        time.sleep(5.0)
        family = psutil.Process(demo.pid).children(recursive=True)
        assert len(family) >= 3
        demo.send_signal(signal.SIGINT)
        output, _ = demo.communicate(timeout=240)
    finally:
        demo.kill()
    assert demo.returncode == 130 and "Traceback" not in output, output
    assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    summary = json.loads((out / "summary.json").read_text())
    episode = summary["tasks"]["widowx_carrot_on_plate"]
    assert summary["stopped"] == "interrupted" and summary["renderer"] in {"egl", "osmesa", "rays"}
    assert episode["success"] is None and episode["chunks"] >= 1
    assert (out / "demo.mp4").stat().st_size > 1000 and (out / "report.html").is_file()

    topics = load_bringup("tabletop").topics
    shown = list(moments(out / "demo.mcap", load_embodiment("tabletop"), topics.images[0], topics.joint_states))
    assert shown[-1].task == "widowx_carrot_on_plate" and shown[-1].index >= 1 and shown[-1].path.shape == (5, 2)
    with Bag(out / "demo.mcap") as bag:
        assert {"/vlaser/contract", "/vlaser/action_chunk", "/vlaser/chunk_verdict", "/vlaser/execute/_action/feedback", "/joint_states"} <= set(bag.topics)
