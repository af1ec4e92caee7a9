"""The twelve by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vlaser_core.errors import InputError
from vlaser_core.evaluate.benchmarks.egoplan2 import EgoPlan2
from vlaser_core.evaluate.benchmarks.embodied.episodes import Embodied, embodied
from vlaser_core.evaluate.benchmarks.erqa import Erqa
from vlaser_core.evaluate.benchmarks.mmsi import Mmsi
from vlaser_core.evaluate.benchmarks.paco import PacoLvis
from vlaser_core.evaluate.benchmarks.pixmo import PixmoPoints
from vlaser_core.evaluate.benchmarks.point_bench import PointBench
from vlaser_core.evaluate.benchmarks.published import NAMES
from vlaser_core.evaluate.benchmarks.question import Questions, Settings
from vlaser_core.evaluate.benchmarks.refspatial import RefSpatial
from vlaser_core.evaluate.benchmarks.vlabench import VlaBench
from vlaser_core.evaluate.benchmarks.vsi import Vsi
from vlaser_core.evaluate.benchmarks.where2place import Where2Place

_QUESTIONS = (Erqa, EgoPlan2, Where2Place, PointBench, PacoLvis, PixmoPoints, Vsi, RefSpatial, Mmsi, VlaBench)


def benchmarks(
    names: Sequence[str] = (), settings: Settings | None = None, python: Path | None = None, stand_in: bool = False
) -> list[Questions | Embodied]:
    """Those asked for, all twelve by default, in the paper's order. python, stand_in: see `Embodied`. Raises InputError for an unknown name."""
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        raise InputError(f"unknown benchmarks {', '.join(unknown)}; known: {', '.join(NAMES)}")
    every: list[Questions | Embodied] = [*(kind(settings or Settings()) for kind in _QUESTIONS), *embodied(python, stand_in)]
    return [each for each in every if not names or each.name in names]
