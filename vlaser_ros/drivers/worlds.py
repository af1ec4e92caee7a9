"""The worlds a sim driver can put behind its topics, by name. Each is imported only when it is asked for."""

from __future__ import annotations

from collections.abc import Callable

from sim_bridge.world import World
from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import ConfigError


def _tabletop(embodiment: Embodiment) -> World:
    from sim_bridge.tabletop import Tabletop

    return Tabletop(embodiment=embodiment)


def _stand_in(embodiment: Embodiment) -> World:
    from vlaser_ros.stand_in_world import StandInWorld

    return StandInWorld(embodiment)


WORLDS: dict[str, Callable[[Embodiment], World]] = {"tabletop": _tabletop, "stand_in": _stand_in}


def make_world(name: str, embodiment: Embodiment) -> World:
    """The world of that name. To be called in the thread that will use it: OpenGL contexts belong to a thread."""
    if name not in WORLDS:
        raise ConfigError(f"unknown world {name!r}; known: {', '.join(WORLDS)}")
    return WORLDS[name](embodiment)
