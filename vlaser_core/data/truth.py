"""What is exactly known of one picture: a simulator (or a labelled scene) fills this in, `families` asks about it.

Image coordinates are the model's: integers 0…1000 of width and height, origin top left. Positions are metres
in the base frame, angles radians unless a name says degrees.
"""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[int, int]
Box = tuple[int, int, int, int]

PHASES = ("reach", "descend", "grasp", "lift", "carry", "lower", "release", "retreat", "done")


@dataclass(frozen=True)
class ObjectTruth:
    """One object. box: tight box of its visible pixels; point: a visible pixel near its centre; both None when
    no pixel shows. visible_fraction: visible pixels over the pixels it would show alone.
    """

    name: str
    phrases: tuple[str, ...]
    colour: str
    box: Box | None
    point: Point | None
    visible_fraction: float
    position: tuple[float, float, float]
    yaw: float
    held: bool


@dataclass(frozen=True)
class SceneTruth:
    """One picture with its task. grasp_point and release_point: where the fingers should close and open, projected;
    grasp_angle_deg: direction of the closing fingers about the vertical, integer 0…179 (fingers are symmetric);
    gripper_point: the present grasp point, projected (None outside the picture); heights in millimetres above the table.
    """

    task: str
    instruction: str
    source: str
    target: str
    objects: tuple[ObjectTruth, ...]
    grasp_point: Point | None
    grasp_angle_deg: int
    release_point: Point | None
    gripper_point: Point | None
    gripper_height_mm: int
    openness: float
    phase: str
    success: bool

    def object(self, name: str) -> ObjectTruth:
        for candidate in self.objects:
            if candidate.name == name:
                return candidate
        raise KeyError(f"no object {name!r} in the scene; it has {[o.name for o in self.objects]}")
