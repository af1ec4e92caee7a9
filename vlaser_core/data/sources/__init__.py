"""Public data sets in their publishers' own layouts, as sources of the data engine.

    source = open_source("robopoint", Path("data/robopoint"))

`SOURCES` maps each name to what makes the source of a folder. A source's `get` says how a user obtains it. Nothing here runs a
data set's code or opens a pickle, and nothing knows ROS or a simulator.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vlaser_core.data.robot.lerobot import LeRobotDataset
from vlaser_core.data.robot.open_x import Bridge, Fractal
from vlaser_core.data.robot.robotwin import RoboTwin
from vlaser_core.data.robot.tabletop import TabletopDemonstrations
from vlaser_core.data.source import Source
from vlaser_core.data.sources.egoplan import EgoPlan
from vlaser_core.data.sources.llarp import LlarpPlans
from vlaser_core.data.sources.paco import PacoLvis
from vlaser_core.data.sources.pixmo_points import PixmoPoints
from vlaser_core.data.sources.robo2vlm import Robo2Vlm
from vlaser_core.data.sources.robopoint import RoboPoint
from vlaser_core.data.sources.robot import RobotRecords
from vlaser_core.data.sources.robovqa import RoboVqa
from vlaser_core.data.sources.sa1b import Sa1b
from vlaser_core.data.sources.scannet import ScanNet
from vlaser_core.data.sources.sharerobot import ShareRobot
from vlaser_core.data.sources.spar import Spar, Vsi
from vlaser_core.data.sources.states import robotwin_states, simpler_states
from vlaser_core.errors import InputError

SOURCES: dict[str, Callable[[Path], Source]] = {
    "robopoint": RoboPoint,
    "sharerobot": ShareRobot,
    "pixmo_points": PixmoPoints,
    "paco_lvis": PacoLvis,
    "sa1b": Sa1b,
    "robovqa": RoboVqa,
    "robo2vlm": Robo2Vlm,
    "spar": Spar,
    "vsi": Vsi,
    "scannet": ScanNet,
    "egoplan": EgoPlan,
    "llarp": LlarpPlans,
    "bridge": lambda root: RobotRecords(Bridge(root), "image_0", base_axes=True, domain="widowx"),
    "fractal": lambda root: RobotRecords(Fractal(root), "image", domain="google robot"),
    "robotwin": lambda root: RobotRecords(RoboTwin(root), "head_camera", domain="aloha"),
    "simpler": simpler_states,
    "robotwin_states": robotwin_states,
    "lerobot": lambda root: RobotRecords(LeRobotDataset(root)),
    "tabletop_demonstrations": lambda root: RobotRecords(TabletopDemonstrations(root), "image_0", base_axes=True, domain="widowx tabletop"),
}


def open_source(name: str, root: Path) -> Source:
    """The source called `name`, read from `root`. Raises InputError for an unknown name; a folder without its data is told by `units()`."""
    if name not in SOURCES:
        raise InputError(f"unknown data source {name!r}; known: {', '.join(sorted(SOURCES))}")
    return SOURCES[name](Path(root))
