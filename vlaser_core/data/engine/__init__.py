"""The engine: units of sources through stages into shards, on one core or a cluster, resumable at any moment.

    build([Part(source, target=2000)], Path("runs/data/tabletop"), seed=7, workers=2)

The same set comes out whatever the number of workers: a unit's content depends on its key and the seed alone, and which
units and rows make up the set is decided from their reports in a fixed order. Ray is imported only when workers are
started; no simulator, no ROS.
"""

from vlaser_core.data.engine.build import BuildReport, build
from vlaser_core.data.engine.manifest import Part

__all__ = ["BuildReport", "Part", "build"]
