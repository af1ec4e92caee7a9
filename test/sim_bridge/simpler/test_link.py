"""The worker as a real process: what it answers, and what happens when it does not."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from sim_bridge.simpler.installation import Installation
from sim_bridge.simpler.link import SimulatorFault, SimulatorLink, SimulatorLost


def begin(link, episode):
    return link.ask("episode", env_id=episode.env_id, build=dict(episode.build), reset=dict(episode.reset), seed=episode.seed, camera=episode.robot.camera)


def act(link, steps=4, every=False):
    return link.ask("act", {"actions": np.zeros((steps, 7))}, every=every)


def test_versions_and_the_device_that_draws_are_told(link):
    assert link.renderer == "stand-in, no pixels of a GPU"
    assert {"python", "numpy", "gymnasium", "sapien"} <= set(link.versions)


def test_an_episode_answers_with_pictures_state_and_flags_and_ends_by_itself(link, spoon):
    state, arrays = begin(link, spoon)
    assert state == {"instruction": "put the spoon on the towel", "steps_left": 60, "over": False}
    assert arrays["image"].shape == (480, 640, 3) and arrays["image"].dtype == np.uint8
    assert arrays["eef"].shape == (4, 4) and arrays["openness"] == 1.0 and arrays["joints"].shape == (8,)
    state, arrays = act(link, 4, every=True)
    assert len(state["success"]) == 4 and arrays["images"].shape == (4, 480, 640, 3)
    assert state["steps_left"] == 56 and state["stats"] == {"held": False, "height": pytest.approx(0.02)}
    state, arrays = act(link, 100)
    assert state["over"] and state["steps_left"] == 0 and len(state["success"]) == 56 and "images" not in arrays
    with pytest.raises(SimulatorFault, match="no episode is running"):
        act(link)


def test_pictures_that_nobody_wants_do_not_change_the_episode(link, spoon):
    ends = []
    for every in (True, False):
        begin(link, spoon)
        _, arrays = link.ask("act", {"actions": np.tile([0.01, 0.005, -0.01, 0, 0, 0.1, 1.0], (6, 1))}, every=every)
        ends.append(arrays)
    for name in ("image", "eef", "joints"):
        np.testing.assert_array_equal(ends[0][name], ends[1][name])


def test_a_request_the_worker_does_not_know_is_answered_not_obeyed(link):
    link._timeouts["__class__"] = 10.0
    with pytest.raises(SimulatorFault, match="unknown request '__class__'"):
        link.ask("__class__")


def test_a_crash_tells_its_signal_and_last_words(installation, misbehaving):
    with SimulatorLink(installation) as link:
        begin(link, misbehaving("crash 2"))
        with pytest.raises(SimulatorLost, match=r"killed by signal 6; its last words:[\s\S]*about to crash"):
            act(link)
        assert not psutil.pid_exists(link.pid)
        with pytest.raises(SimulatorLost):
            act(link)


def test_a_hang_is_noticed_and_the_process_is_gone(installation, misbehaving):
    with SimulatorLink(installation, act=0.3) as link:
        begin(link, misbehaving("hang 1"))
        with pytest.raises(SimulatorLost, match=r"no answer within 0 s[\s\S]*about to hang"):
            act(link)
        assert not psutil.pid_exists(link.pid)


def test_a_worker_that_writes_rubbish_into_the_connection_is_lost_not_believed(installation, misbehaving):
    with SimulatorLink(installation) as link:
        begin(link, misbehaving("noise 0"))
        with pytest.raises(SimulatorLost, match="begins with"):
            act(link)


def test_what_the_simulator_raises_is_told_and_it_lives_on(link, misbehaving, spoon):
    begin(link, misbehaving("raise 1"))
    with pytest.raises(SimulatorFault, match=r"RuntimeError: the physics exploded\nTraceback"):
        act(link)
    begin(link, spoon)
    act(link)


def test_another_copy_than_the_checkouts_is_refused(installation, tmp_path):
    with pytest.raises(SimulatorFault, match="ModuleNotFoundError|ImportError"):
        SimulatorLink(Installation(tmp_path, installation.python))


def test_a_python_that_is_none_is_lost_with_its_words(tmp_path, simpler_checkout):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no interpreter here >&2\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(SimulatorLost, match=r"exit code 3; its last words:\nno interpreter here"):
        SimulatorLink(Installation(simpler_checkout, broken))


def test_variables_that_would_bring_other_assets_or_packages_do_not_reach_the_worker(installation, monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("MS2_REAL2SIM_ASSET_DIR", str(tmp_path))
    with SimulatorLink(installation) as link:
        environment = Path(f"/proc/{link.pid}/environ").read_bytes()
    assert b"MS2_" not in environment and b"PYTHONPATH" not in environment


def test_a_worker_ends_when_nobody_holds_its_other_end(installation):
    link = SimulatorLink(installation)
    process = psutil.Process(link.pid)
    link._connection.close()
    for _ in range(500):
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.02)
    else:
        pytest.fail("the worker outlived its connection")
    link.close()


def test_every_episode_begins_from_the_same_state_whatever_was_before(link, spoon):
    _, first = begin(link, spoon)
    begin(link, replace(spoon, reset={"obj_init_options": {"episode_id": 7}}))
    act(link)
    _, again = begin(link, spoon)
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
