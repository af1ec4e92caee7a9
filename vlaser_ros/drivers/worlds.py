"""The worlds a sim driver can put behind its topics, by name. Each is imported only when it is asked for."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from sim_bridge.world import World
from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import ConfigError


@dataclass(frozen=True)
class _Place:
    """Where a world's class is. needs: what to do when it cannot be imported."""

    module: str
    name: str
    needs: str


WORLDS: dict[str, _Place] = {
    "tabletop": _Place("sim_bridge.tabletop", "Tabletop", "pip install mujoco"),
    "aloha": _Place("sim_bridge.aloha", "AlohaTable", "pip install mujoco"),
    "stand_in": _Place("vlaser_ros.stand_in_world", "StandInWorld", ""),
}


def make_world(name: str, embodiment: Embodiment) -> World:
    """The world of that name. To be called in the thread that will use it: OpenGL contexts belong to a thread.

    Raises ConfigError for an unknown name, and for a world whose simulator is not installed, saying what it needs.
    """
    if name not in WORLDS:
        raise ConfigError(f"unknown world {name!r}; known: {', '.join(WORLDS)}")
    place = WORLDS[name]
    try:
        kind = getattr(importlib.import_module(place.module), place.name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"world {name!r} cannot be loaded ({error}); it needs {place.needs}") from error
    return kind(embodiment=embodiment)
