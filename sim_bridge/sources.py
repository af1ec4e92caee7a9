"""Every source by its name: simulated ones made to measure, others read from a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from vlaser_core.data.source import Source
from vlaser_core.errors import InputError

SIMULATED = ("tabletop", "elsewhere")
Opener = Callable[[Path], Source]


def open_source(
    name: str, root: Path, records: int, seed: int = 0, renderer: str = "auto", more: Mapping[str, Opener] | None = None
) -> Source:
    """The source called `name`. root: folder of data sets, each in a folder of its name. records, seed, renderer: of a
    simulated one. more: sources that only the caller can read, by name. Raises InputError for a name that is not known; one
    whose files are missing says so when it is listed.
    """
    if name == "tabletop":
        from sim_bridge.tabletop.source import TabletopSource

        return TabletopSource(records, seed, renderer)
    if name == "elsewhere":
        from sim_bridge.elsewhere.source import ElsewhereSource

        return ElsewhereSource(records, seed, renderer)
    from vlaser_core.data.sources import SOURCES

    known = {**SOURCES, **(more or {})}
    if name not in known:
        raise InputError(f"unknown source {name!r}; known: {', '.join((*SIMULATED, *sorted(known)))}, or the path of a plan (*.yaml)")
    return known[name](root / name)


def settings_of(source: Source) -> dict[str, str | int | float | bool]:
    """What a source's records depend on besides the seed, where it says so."""
    return dict(getattr(source, "settings", {}))
