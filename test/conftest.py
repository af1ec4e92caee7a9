"""A checkout of SimplerEnv for tests: a stand-in everywhere, a real one where `--simpler-checkout` names it."""

from __future__ import annotations

import json
import shutil
import struct
import sys
from pathlib import Path

import pytest

STAND_IN = Path(__file__).parent / "sim_bridge" / "simpler" / "stand_in"
EMPTY_GLB = b"glTF" + struct.pack("<IIII", 2, 24, 4, 0x4E4F534A) + b"{}  "
SMALLEST = {".json": b"{}", ".urdf": b"<robot/>", ".dae": b'<COLLADA xmlns="http://www.collada.org/2005/11/COLLADASchema"/>', ".glb": EMPTY_GLB}


def pytest_addoption(parser):
    parser.addoption("--simpler-checkout", default=None, help="a checkout of SimplerEnv that `vlaser simpler setup` has prepared: its tests run too")


@pytest.fixture(scope="session")
def simpler_checkout(tmp_path_factory) -> Path:
    """A folder like a prepared checkout of SimplerEnv, with a stand-in simulator and the smallest files in place of all assets."""
    from sim_bridge.simpler.assets import required
    from sim_bridge.simpler.installation import Installation
    from sim_bridge.simpler.suites import SUITES, suite

    checkout = tmp_path_factory.mktemp("simpler") / "SimplerEnv"
    shutil.copytree(STAND_IN, checkout)
    for name in SUITES:
        for file in required(Installation(checkout, checkout), suite(name)):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(SMALLEST.get(file.suffix, b"."))
    (checkout / ".vlaser").mkdir()
    (checkout / ".vlaser" / "setup.json").write_text(json.dumps({"python": sys.executable}))
    return checkout


@pytest.fixture(scope="session")
def real_simpler_checkout(request) -> Path:
    """The checkout that the command line names; without one the test is skipped."""
    given = request.config.getoption("--simpler-checkout")
    if given is None:
        pytest.skip("needs a checkout of SimplerEnv: pytest --simpler-checkout DIR")
    return Path(given)
