from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


def module(path: Path):
    """A module beside the tests, which are no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


_linear, _flow = (module(Path(__file__).with_name(f"{name}_run.py")) for name in ("linear", "flow"))
_data = module(Path(__file__).parents[1] / "robot_data.py")
recorded, demonstrations = _data.recorded, _data.demonstrations


@pytest.fixture
def linear():
    """The module of a run small enough for a test, which is a command as well."""
    return _linear


@pytest.fixture
def flow_run():
    """The module of three runs of stage 2, which is a command as well."""
    return _flow
