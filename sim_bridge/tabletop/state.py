"""All that the expert may know of a moment: poses, fingers, contacts. Plain arrays, so that it can think ahead on copies."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sim_bridge.tabletop.objects import THINGS, Thing
from sim_bridge.tabletop.scene import FINGER_STROKE
from sim_bridge.tabletop.tasks import Task


def grip_openness(thing: Thing) -> float:
    """Openness at which the fingers hold `thing`."""
    return thing.width / 2 / FINGER_STROKE


@dataclass
class State:
    """One moment of one task, base frame, metres.

    gripper, source, target: poses (4, 4) of grasp point and object centres. openness: 0 touching … 1 open.
    touching_target: source and target are in contact. still: the source's linear speed is small.
    """

    task: Task
    gripper: np.ndarray
    openness: float
    source: np.ndarray
    target: np.ndarray
    touching_target: bool
    still: bool
    thing: Thing = field(init=False)

    def __post_init__(self) -> None:
        self.thing = THINGS[self.task.source]

    @property
    def grip_openness(self) -> float:
        """Openness at which the fingers hold the source."""
        return grip_openness(self.thing)

    @property
    def offset(self) -> np.ndarray:
        """Target centre minus source centre, horizontally (2,)."""
        return self.target[:2, 3] - self.source[:2, 3]

    @property
    def grasp_point(self) -> np.ndarray:
        """Where the fingers should close (3,)."""
        return self.source[:3, 3] + (0.0, 0.0, self.thing.grasp_height)

    @property
    def in_jaw(self) -> bool:
        """The source's grasp point is between the fingers, open or closed."""
        along, across, lateral = self.gripper[:3, :3].T @ (self.grasp_point - self.gripper[:3, 3])
        # A slip along its length still holds; across the jaw the open fingers are the bound.
        return bool(abs(along) < 0.016 and abs(across) < 0.024 and abs(lateral) < 0.022)

    @property
    def held(self) -> bool:
        """The source is between closed fingers."""
        return self.in_jaw and self.openness < self.grip_openness + 0.10

    @property
    def on_target(self) -> bool:
        """The source is where the task wants it, whether the fingers have let go or not."""
        task = self.task
        return bool(
            np.linalg.norm(self.offset) < task.success_radius
            and abs(self.source[2, 3] - task.place_height) < task.height_tolerance
            and self.touching_target
        )
