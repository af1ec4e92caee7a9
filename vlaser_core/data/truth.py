"""What is exactly known of one picture: a simulator (or a labelled scene) fills this in, `families` asks about it.

Image coordinates are the model's: integers 0…1000 of width and height, origin top left. Positions are metres in the
robot's base frame (x forward, y left, z up); where no robot stands, in a frame of the scene with z up. Angles are
radians unless a name says degrees. What a simulator does not know stays None or empty, and is not asked about.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass

import numpy as np

Point = tuple[int, int]
Box = tuple[int, int, int, int]

PHASES = ("reach", "descend", "grasp", "lift", "carry", "lower", "release", "retreat", "done")
ATTEMPTS = ("grasp", "carry", "release")

# Names in a PixelMap that are no objects.
BACKGROUND, SURFACE, ROBOT = "", "surface", "robot"


@dataclass(frozen=True)
class PixelMap:
    """What each pixel of a small rendering shows. names[k]: the object (or BACKGROUND, SURFACE, ROBOT) of value k.

    data: base64 of the zlib-packed uint8 values, row by row. A pixel (column, row) covers the picture's thousandths
    column·1000/width … (column+1)·1000/width, and rows likewise.
    """

    width: int
    height: int
    names: tuple[str, ...]
    data: str

    @classmethod
    def of(cls, values: np.ndarray, names: tuple[str, ...]) -> PixelMap:
        """Pack `values` (height, width), indices into `names`."""
        height, width = values.shape
        packed = zlib.compress(np.ascontiguousarray(values, np.uint8).tobytes(), 3)
        return cls(width, height, names, base64.b64encode(packed).decode("ascii"))

    def values(self) -> np.ndarray:
        """uint8 (height, width), indices into `names`. Raises ValueError when the data is damaged."""
        try:
            raw = zlib.decompress(base64.b64decode(self.data, validate=True))
        except zlib.error as error:
            raise ValueError(f"pixel map of {self.width} × {self.height} does not unpack: {error}") from error
        return np.frombuffer(raw, np.uint8).reshape(self.height, self.width)


@dataclass(frozen=True)
class ObjectTruth:
    """One object. box: tight box of its visible pixels; point: a visible pixel near its centre; both None when
    no pixel shows. visible_fraction: visible pixels over the pixels it would show alone. phrases: what it is called, the
    usual name first. position: its centre.

    kind: what sort of thing, shared by things alike (`block`); empty where nobody would count such things. size: extents (m) along its own x, its own y and the
    vertical. grasp_point: where one would take hold of it, where that can be seen. reachable: the arm can close its
    fingers on it from above. camera_distance: metres from the camera to its centre. support: name of the object it
    rests on, or SURFACE; empty when unknown or in the air.
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
    kind: str = ""
    size: tuple[float, float, float] | None = None
    grasp_point: Point | None = None
    reachable: bool | None = None
    camera_distance: float | None = None
    support: str = ""


@dataclass(frozen=True)
class SceneTruth:
    """One picture, perhaps with a task, perhaps with a robot. grasp_point and release_point: where the fingers should close
    and open, projected; grasp_angle_deg: direction of the closing fingers about the vertical, integer 0…179 (fingers are
    symmetric); gripper_point: the present grasp point, projected (None outside the picture); heights in millimetres above
    the table.

    task, instruction, source, target, phase: empty without a task; source and target name objects. Without a robot
    (robot False) the gripper's fields are None and the phase is `reach` (nothing moved yet) or `done`.
    gripper_position: the present grasp point in metres. reach: inner and outer distance (m) from the base's vertical axis
    between which the arm grasps from above at the surface. attempt: what the robot has just tried (one of ATTEMPTS, or
    empty when unknown). surface: what things stand on, as one says it. pixels: what the picture shows, pixel by pixel.
    unlabelled: the picture may show further things (a photograph is behind it), so nothing can be said to be absent or to be all.
    """

    task: str = ""
    instruction: str = ""
    source: str = ""
    target: str = ""
    objects: tuple[ObjectTruth, ...] = ()
    grasp_point: Point | None = None
    grasp_angle_deg: int | None = None
    release_point: Point | None = None
    gripper_point: Point | None = None
    gripper_height_mm: int | None = None
    openness: float | None = None
    phase: str = ""
    success: bool = False
    robot: bool = True
    gripper_position: tuple[float, float, float] | None = None
    reach: tuple[float, float] | None = None
    attempt: str = ""
    surface: str = "table"
    pixels: PixelMap | None = None
    unlabelled: bool = False

    def object(self, name: str) -> ObjectTruth:
        for candidate in self.objects:
            if candidate.name == name:
                return candidate
        raise KeyError(f"no object {name!r} in the scene; it has {[o.name for o in self.objects]}")
