"""One world a test session: compiling a scene costs more than most tests. Rays need nothing installed."""

from __future__ import annotations

import pytest

from sim_bridge.tabletop import Tabletop


@pytest.fixture(scope="session")
def tabletop():
    world = Tabletop("rays")
    yield world
    world.close()
