from __future__ import annotations

import json

import pytest
import torch

from vlaser_core.errors import InputError
from vlaser_core.evaluate.parity import Check, Missing, Report, close, need, parity, same


def test_nan_and_a_wrong_shape_fail_and_do_not_pass_as_zero():
    assert not close("g", "nan", [float("nan")], [1.0], 1e-3).ok
    assert not close("g", "shape", torch.zeros(2, 1), torch.zeros(2), 1e-3).ok
    assert not close("g", "above", [1.0], [1.1], 0.05).ok
    assert close("g", "within", torch.ones(2), [1.0, 1.01], 0.02).ok


def test_exact_checks_count_what_differs_and_what_is_missing():
    assert same("g", "text", "abc", "abc").ok
    assert same("g", "text", "abd", "abc").error == 1
    assert same("g", "ids", [1, 2], [1, 2, 3, 4]).error == 2


def test_a_report_without_checks_is_not_a_pass():
    assert not Report((), ()).ok
    assert Report((Check("g", "a", 0.0, 0.0),), ()).ok
    assert not Report((Check("g", "a", 0.0, 0.0), Check("g", "b", 2.0, 1.0)), ()).ok


def test_the_json_of_a_failure_is_json_to_every_reader():
    checks = (close("g", "shape", [1.0], [[1.0]], 1e-3), close("g", "nan", [float("nan")], [1.0], 1e-3))
    told = json.loads(json.dumps(Report(checks, ()).to_json(), allow_nan=False))
    assert [check["error"] for check in told["failed"]] == ["inf", "nan"] and not told["ok"]


def test_what_is_absent_is_named_as_skipped(tmp_path):
    def present(_directory):
        yield Check("present", "a", 0.5, 1.0)
        yield Check("present", "b", 0.0, 0.0)

    def absent(directory):
        yield Check("absent", "a", 0.0, float(need(directory / "vectors.json").stat().st_size))

    report = parity(tmp_path, {"present": present, "absent": absent})
    assert report.ok and [group.group for group in report.skipped] == ["absent"]
    assert "vectors.json" in report.skipped[0].reason
    result = report.groups()["present"]
    assert (result.checks, result.exact, result.largest, result.failed) == (2, 1, 0.5, ())


def test_a_directory_without_any_reference_is_refused(tmp_path):
    with pytest.raises(InputError, match="misc_vla.json"):
        parity(tmp_path)
    with pytest.raises(InputError, match="no directory"):
        parity(tmp_path / "absent")
    with pytest.raises(Missing):
        need(tmp_path / "absent")
