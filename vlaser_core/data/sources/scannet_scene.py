"""One ScanNet scan in the layout of its own tools: objects in 3-D, camera poses, and what each picture shows.

    scene0000_00/scene0000_00.txt                             axisAlignment, colorWidth, …
    scene0000_00/scene0000_00_vh_clean_2.ply                  vertices
    scene0000_00/scene0000_00_vh_clean_2.0.010000.segs.json   vertex → segment
    scene0000_00/scene0000_00.aggregation.json                objects: label and segments (or scene0000_00_vh_clean.aggregation.json)
    scene0000_00/{color/0.jpg, depth/0.png, pose/0.txt, intrinsic/intrinsic_color.txt}   exported by SensReader

Depth is millimetres, a pose leads from camera to scan (z forward, y down), lost tracking is -inf. Layout: ScanNet/ScanNet,
README.md and SensReader/python. Positions below are metres after axis alignment: z up, walls along x and y.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vlaser_core.data.damaged import Damaged

SEEN, UNSEEN = 0.12, 0.01  # fraction of an object's points: from SEEN on it shows, below UNSEEN it does not, between it is unsure
_POINTS = 300
_NO_THINGS = {"wall", "floor", "ceiling", "object", "remove", "unknown", "room", "", "otherfurniture", "otherprop", "otherstructure"}
_PLY = {
    "float": "<f4",
    "float32": "<f4",
    "double": "<f8",
    "uchar": "u1",
    "uint8": "u1",
    "int": "<i4",
    "uint": "<u4",
    "short": "<i2",
    "ushort": "<u2",
}


@dataclass(frozen=True)
class Thing:
    """An object. points: (n, 3) of its surface, at most 300. low, high: corners of its box; position: the box's middle."""

    number: int
    label: str
    points: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def position(self) -> np.ndarray:
        return (self.low + self.high) / 2

    def distance(self, other: Thing) -> float:
        """Metres between the nearest points of both."""
        return float(np.sqrt(((self.points[:, None] - other.points[None]) ** 2).sum(-1)).min())


@dataclass(frozen=True)
class View:
    """One picture. pose: camera → aligned scan (4, 4). shown: visible fraction by object number."""

    frame: int
    pose: np.ndarray
    shown: dict[int, float]


class Scene:
    """A scan folder, read as it is asked for. Raises Damaged naming the missing or broken file."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, folder.name
        self.alignment = self._alignment()
        self.things = self._things()
        self.intrinsics = self._matrix(folder / "intrinsic" / "intrinsic_color.txt")
        numbers = [int(path.stem) for path in (folder / "color").glob("*.jpg") if path.stem.isdigit()]
        self.frames = sorted(numbers)

    def picture_path(self, frame: int) -> str:
        """Relative to the folder that holds the scans."""
        return f"{self.name}/color/{frame}.jpg"

    def view(self, frame: int, width: int, height: int) -> View | None:
        """What the picture of width × height pixels shows; None where the camera's pose was lost."""
        pose = self._matrix(self.folder / "pose" / f"{frame}.txt")
        if not np.isfinite(pose).all():
            return None
        depth_path = self.folder / "depth" / f"{frame}.png"
        depth = cv2.imread(str(depth_path), cv2.IMREAD_UNCHANGED)
        if depth is None or depth.ndim != 2:
            raise Damaged("depth picture is missing or damaged", str(depth_path))
        pose = self.alignment @ pose
        to_camera = np.linalg.inv(pose)
        shown = {thing.number: self._shown(thing, to_camera, depth / 1000.0, width, height) for thing in self.things}
        return View(frame, pose, shown)

    def _shown(self, thing: Thing, to_camera: np.ndarray, depth: np.ndarray, width: int, height: int) -> float:
        points = thing.points @ to_camera[:3, :3].T + to_camera[:3, 3]
        ahead = points[:, 2] > 0.1
        points = points[ahead]
        if not len(points):
            return 0.0
        u = (self.intrinsics[0, 0] * points[:, 0] / points[:, 2] + self.intrinsics[0, 2]) / width
        v = (self.intrinsics[1, 1] * points[:, 1] / points[:, 2] + self.intrinsics[1, 2]) / height
        inside = (u >= 0) & (u < 1) & (v >= 0) & (v < 1)
        rows, columns = (v[inside] * depth.shape[0]).astype(int), (u[inside] * depth.shape[1]).astype(int)
        measured, expected = depth[rows, columns], points[inside, 2]
        visible = (measured > 0) & (np.abs(measured - expected) < 0.08 + 0.03 * expected)
        return float(visible.sum() / len(thing.points))

    def _matrix(self, path: Path) -> np.ndarray:
        try:
            matrix = np.loadtxt(path)
        except (OSError, ValueError) as error:
            raise Damaged("pose or intrinsics cannot be read", f"{path}: {error}") from error
        if matrix.shape != (4, 4):
            raise Damaged("pose or intrinsics cannot be read", f"{path}: {matrix.shape}, expected 4 × 4")
        return matrix

    def _alignment(self) -> np.ndarray:
        path = self.folder / f"{self.name}.txt"
        try:
            found = re.search(r"axisAlignment\s*=\s*([^\n]+)", path.read_text(encoding="utf-8"))
        except OSError as error:
            raise Damaged("scan description is missing", str(error)) from error
        if not found:
            raise Damaged("scan is not aligned", f"{path} has no axisAlignment")  # up is not known: nothing spatial can be said
        values = [float(value) for value in found.group(1).split()]
        if len(values) != 16:
            raise Damaged("scan is not aligned", f"{path}: {len(values)} values")
        return np.array(values).reshape(4, 4)

    def _things(self) -> tuple[Thing, ...]:
        clean = self.folder / f"{self.name}_vh_clean_2"
        aggregation = min(self.folder.glob(f"{self.name}*.aggregation.json"), default=self.folder / f"{self.name}.aggregation.json")
        try:
            segments = np.array(json.loads(Path(f"{clean}.0.010000.segs.json").read_text(encoding="utf-8"))["segIndices"])
            groups = json.loads(aggregation.read_text(encoding="utf-8"))["segGroups"]
            groups = [(int(group["objectId"]), str(group["label"]).strip().lower(), group["segments"]) for group in groups]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Damaged("objects of the scan cannot be read", f"{self.name}: {error!r}") from error
        vertices = read_ply(Path(f"{clean}.ply"))
        if len(vertices) != len(segments):
            raise Damaged("objects of the scan cannot be read", f"{self.name}: {len(vertices)} vertices, {len(segments)} segment numbers")
        vertices = vertices @ self.alignment[:3, :3].T + self.alignment[:3, 3]
        things = []
        for number, label, parts in groups:
            points = vertices[np.isin(segments, parts)]
            if label in _NO_THINGS or len(points) < 30:
                continue
            keep = np.linspace(0, len(points) - 1, min(len(points), _POINTS)).astype(int)
            things.append(Thing(number, label, points[keep], points.min(0), points.max(0)))
        return tuple(things)


def read_ply(path: Path) -> np.ndarray:
    """Vertices (n, 3) of a binary little-endian PLY file. Raises Damaged."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Damaged("mesh is missing", str(error)) from error
    end = data.find(b"end_header\n")
    header = data[: max(end, 0)].decode("ascii", errors="replace").splitlines()
    if end < 0 or "format binary_little_endian 1.0" not in header:
        raise Damaged("mesh cannot be read", f"{path}: not a binary little-endian PLY file")
    fields, count = [], 0
    for line in header:
        words = line.split()
        if words[:2] == ["element", "vertex"]:
            count = int(words[2])
        elif words[:1] == ["element"] and count:
            break
        elif words[:1] == ["property"] and count:
            if words[1] not in _PLY:
                raise Damaged("mesh cannot be read", f"{path}: vertex property of type {words[1]}")
            fields.append((words[2], _PLY[words[1]]))
    kind = np.dtype(fields)
    if not count or len(data) - end - 11 < count * kind.itemsize:
        raise Damaged("mesh cannot be read", f"{path}: cut off")
    vertices = np.frombuffer(data, kind, count, end + 11)
    return np.column_stack([vertices[axis] for axis in "xyz"]).astype(float)
