"""Conversion in a few hundred megabytes: the model once, and little beside it. `vlaser bench convert` is the same at full size."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from vlaser_core.checkpoint.folder import load_checkpoint
from vlaser_core.checkpoint.tensors import RELEASE_BYTES
from vlaser_core.errors import CheckpointError
from vlaser_core.evaluate.conversion import measure_conversion
from vlaser_core.evaluate.memory import apart
from vlaser_core.model.config import vlaser_2b

LIMIT = 1.3


def two_layers():
    """The 2B's widths with two layers and a small vocabulary: 160 to 210 million parameters."""
    config = vlaser_2b(10_000)
    return dataclasses.replace(config, text=dataclasses.replace(config.text, layers=2), vision=dataclasses.replace(config.vision, layers=2))


@pytest.mark.slow
@pytest.mark.timeout(600)  # eight processes that import torch, on a machine that may be busy
@pytest.mark.parametrize("layout", ["internvl_chat", "upstream"])  # Hugging Face's is read as the chat layout is
def test_no_step_needs_more_than_the_model_and_a_third(tmp_path, layout):
    report = measure_conversion(layout, two_layers(), tmp_path / "scratch")
    assert report.weight_bytes > 300_000_000
    for step in ("convert", "load", "export"):
        spent = getattr(report, step)
        # Beside the model stand the tensors read since the file was last let go of.
        assert spent.peak_bytes - spent.baseline_bytes <= LIMIT * report.weight_bytes + RELEASE_BYTES, step
        assert step == "export" or spent.over(report.weight_bytes) > 0.9, "the whole model was in memory, or nothing was measured"
    assert not list((tmp_path / "scratch").iterdir())


def test_memory_is_that_of_the_work_alone_and_its_faults_are_told(tmp_path):
    mine = np.ones(400_000_000, dtype=np.uint8)
    spent = apart(np.ones, 200_000_000, np.uint8)
    assert 190_000_000 < spent.peak_bytes - spent.baseline_bytes < 260_000_000 and len(mine) == 400_000_000
    with pytest.raises(CheckpointError, match="no checkpoint folder at .*absent"):
        apart(load_checkpoint, tmp_path / "absent")
