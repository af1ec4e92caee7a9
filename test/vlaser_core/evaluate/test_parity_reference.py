from __future__ import annotations

from pathlib import Path

import pytest

from vlaser_core.evaluate.parity import core_groups, parity

DIRECTORY = Path(__file__).parents[4] / "shared" / "parity"
pytestmark = pytest.mark.skipif(not DIRECTORY.is_dir(), reason="reference vectors (../shared/parity) are absent")

# How many comparisons each group makes: fewer would mean that some silently fell out.
EXPECTED = {"numbers": 47, "text": 92, "policy": 243, "chat": 7}


@pytest.mark.parametrize("name", EXPECTED)
def test_every_reference_vector_is_reproduced(name):
    report = parity(DIRECTORY, {name: core_groups()[name]})
    assert [f"{check.group}: {check.name}: {check.error}" for check in report.checks if not check.ok] == []
    assert report.skipped == ()
    assert len(report.checks) == EXPECTED[name]
