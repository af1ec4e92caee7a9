"""`vlaser bench faults`: real processes are broken, and what is told is what happened. Times are for a quiet machine to judge."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from vlaser_msgs.msg import ResultCode

from vlaser_ros.bench import faults
from vlaser_ros.bench.findings import Finding, percentiles
from vlaser_ros.cli import run


def told(capsys, *arguments: str) -> tuple[int, dict, str]:
    """Exit code, the JSON line, and all of stdout."""
    code = run(["bench", "faults", *arguments])
    out = capsys.readouterr().out
    return code, json.loads(out.splitlines()[-1]), out


def test_the_gate_alone_needs_no_processes_and_ends_with_json(capsys):
    code, report, out = told(capsys, "--quick", "--only", "late_chunks", "wild_chunks")
    assert code == 0 and report["ok"] is True and set(report["faults"]) == {"late_chunks", "wild_chunks"}
    late, wild = (report["faults"][name]["numbers"] for name in ("late_chunks", "wild_chunks"))
    assert late["stale"] == [] and late["chunks"] == 1000 < late["delivered"] and late["executed"] > 100
    assert wild["violations"] == [] and wild["widowx"]["accepted"] > 10 and wild["aloha"]["accepted"] > 0
    assert "0 violations" in out and "what happened" in out


def test_a_stop_without_a_server_is_the_last_command_each_time(capsys):
    _, report, _ = told(capsys, "--quick", "--json", "--only", "stop", "driver_refuses", "latched_stop_restart")
    stop, refuses, latched = (report["faults"][name]["numbers"] for name in ("stop", "driver_refuses", "latched_stop_restart"))
    assert stop["commands_after"] == 0 and stop["stop"]["count"] == 20 and 0 < stop["stop"]["p50"] <= stop["stop"]["max"]
    assert refuses["motions"] == 3 and refuses["code"] == ResultCode.GATE_ESTOP
    assert latched["motions"] == 0 and latched["codes"] == [ResultCode.GATE_ESTOP] * 2


def test_a_silent_camera_and_nonsense_of_the_model_are_told_by_their_codes(capsys):
    _, report, _ = told(capsys, "--quick", "--json", "--only", "camera_stops", "malformed_text")
    camera, text = (report["faults"][name]["numbers"] for name in ("camera_stops", "malformed_text"))
    assert camera["codes"] == [ResultCode.STALE_OBSERVATION]
    assert text["wrong"] == [] and text["kept"] == 10 and text["malformed"] > 5


def test_a_server_that_is_killed_and_started_again_is_obeyed_and_its_client_told(capsys, monkeypatch):
    # Without physics: what is asked here is not about motion.
    from vlaser_ros.bench.rig import Rig

    monkeypatch.setattr(faults, "_rig", lambda _kind, held: held.enter_context(Rig()))
    _, report, _ = told(capsys, "--quick", "--json", "--only", "server_restarts")
    restarted = report["faults"]["server_restarts"]
    assert restarted["ok"], restarted
    assert restarted["numbers"]["refused"] == 0 and "started again" in restarted["happened"]


def test_an_unknown_fault_is_refused_with_those_that_are_known(capsys):
    assert run(["bench", "faults", "--only", "coffee"]) == 2
    message = capsys.readouterr().err
    assert "coffee" in message and all(name in message for name in faults.NAMES)


def test_a_broken_bound_is_exit_code_1_and_what_cannot_be_measured_is_no_success(capsys, monkeypatch):
    def broken(quick: bool) -> Finding:
        return Finding("a fault", "it broke", "3 of 3", "0", ok=False)

    def impossible(quick: bool) -> Finding:
        raise faults.ConfigError("the controller is not there")

    monkeypatch.setattr(faults, "CHECKS", (faults.Check("late_chunks", "", broken), faults.Check("stop", "", impossible)))
    code, report, _ = told(capsys, "--json")
    assert code == 1 and report["ok"] is False
    assert report["faults"]["stop"]["ok"] is False and "the controller is not there" in report["faults"]["stop"]["happened"]


def test_percentiles_of_nothing_are_not_zero():
    assert percentiles([])["count"] == 0 and percentiles([])["p99"] != percentiles([])["p99"]
    assert percentiles([1.0, 2.0, 3.0])["p50"] == 2.0
