"""The sources that `vlaser data` can name: those of sim_bridge.sources, and recordings in bags."""

from __future__ import annotations

from pathlib import Path

from sim_bridge import sources
from vlaser_core.data.source import Source


def bags(root: Path) -> Source:
    """Bags (MCAP, sqlite3, ROS 1) below a folder: what the gripper does, which way it moves, which instruction is followed."""
    from vlaser_core.data.sources.robot import RobotRecords
    from vlaser_ros.bags.episodes import BagEpisodes

    return RobotRecords(BagEpisodes(root), domain="recorded robot")


def open_source(name: str, root: Path, records: int, seed: int = 0, renderer: str = "auto") -> Source:
    """As `sim_bridge.sources.open_source`, with `bags`."""
    return sources.open_source(name, root, records, seed, renderer, {"bags": bags})
