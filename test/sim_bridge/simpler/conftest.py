from __future__ import annotations

from dataclasses import replace

import pytest

from sim_bridge.simpler.installation import find_installation
from sim_bridge.simpler.link import SimulatorLink
from sim_bridge.simpler.suites import Episode, suite


@pytest.fixture(scope="session")
def installation(simpler_checkout):
    return find_installation(simpler_checkout)


@pytest.fixture(scope="session")
def link(installation):
    """One stand-in simulator for tests that leave it alive."""
    with SimulatorLink(installation, start=60.0) as link:
        yield link


@pytest.fixture
def spoon() -> Episode:
    return next(iter(suite("widowx")))


@pytest.fixture
def misbehaving(spoon):
    """The first WidowX episode in a stand-in that misbehaves: see its `envs`."""
    return lambda how: replace(spoon, build={**spoon.build, "misbehave": how})
