"""A robot's URDF, its joints and the markers of a chunk as a flat-shaded picture, where there is no RViz. No OpenGL.

Kinematics and shapes come from MuJoCo's reading of the URDF, the picture from OpenCV: faces from the farthest to the
nearest, then the ground's grid beneath and the markers above all, as an overlay would have them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

import cv2
import mujoco
import numpy as np
from visualization_msgs.msg import Marker

from vlaser_core.embodiment import Camera
from vlaser_core.errors import InputError
from vlaser_core.geometry import quaternion_from_matrix
from vlaser_core.projection import Pinhole
from vlaser_core.reasoning.draw import draw_label

_LIGHT = np.array([0.35, -0.45, 0.82])
_NEAR = 0.02  # m
_SHIFT = 4  # OpenCV takes sub-pixel coordinates as integers with this many binary places
_ROUND = np.linspace(0, 2 * np.pi, 20, endpoint=False)


def looking(eye: Sequence[float], at: Sequence[float], width: int, height: int, fov_y_deg: float = 38.0) -> Camera:
    """A camera at `eye` that looks at `at` (m, base frame), upright."""
    forward = np.subtract(at, eye) / np.linalg.norm(np.subtract(at, eye))
    left = np.cross((0.0, 0.0, 1.0), forward)
    left /= np.linalg.norm(left)
    turn = np.stack([forward, left, np.cross(forward, left)], axis=1)
    return Camera("viewer", "viewer", width, height, fov_y_deg, tuple(map(float, eye)), tuple(map(float, quaternion_from_matrix(turn))))


def _faces(kind: int, size: np.ndarray) -> list[np.ndarray]:
    """Corners (k, 3) of a shape's faces in its own frame, counter-clockwise from outside."""
    if kind == mujoco.mjtGeom.mjGEOM_BOX:
        signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], float)
        made = []
        for axis in range(3):
            for side in (-1.0, 1.0):
                face = np.insert(signs[:: int(side)], axis, side, axis=1) if axis != 1 else np.insert(signs[:: -int(side)], axis, side, axis=1)
                made.append(face * size)
        return made
    # Everything round is rings from bottom to top.
    if kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
        profile = [(0.0, -size[1]), (size[0], -size[1]), (size[0], size[1]), (0.0, size[1])]
    elif kind == mujoco.mjtGeom.mjGEOM_SPHERE:
        profile = [(size[0] * np.cos(a), size[0] * np.sin(a)) for a in np.linspace(-np.pi / 2, np.pi / 2, 9)]
    else:
        raise InputError(f"a URDF with shapes other than boxes, cylinders and spheres cannot be drawn here (MuJoCo's type {kind})")
    rings = [np.stack([r * np.cos(_ROUND), r * np.sin(_ROUND), np.full_like(_ROUND, z)], axis=1) for r, z in profile]
    return [
        np.array([low[i], low[i - len(_ROUND) + 1], high[i - len(_ROUND) + 1], high[i]])
        for low, high in zip(rings[:-1], rings[1:], strict=True)
        for i in range(len(_ROUND))
    ]


class RobotScene:
    """One robot to be drawn at any posture. Raises InputError for a text that is no URDF."""

    def __init__(self, urdf: str) -> None:
        try:
            root = ElementTree.fromstring(urdf.encode())
            # A URDF for looking at has no masses; MuJoCo wants some.
            keep = {"discardvisual": "false", "fusestatic": "false", "boundmass": "0.01", "boundinertia": "0.001"}
            ElementTree.SubElement(ElementTree.SubElement(root, "mujoco"), "compiler", keep)
            self._model = mujoco.MjModel.from_xml_string(ElementTree.tostring(root, encoding="unicode"))
        except (ElementTree.ParseError, ValueError) as error:
            raise InputError(f"the robot's description is no URDF that can be drawn: {error}") from error
        self._data = mujoco.MjData(self._model)
        self._mimics = {
            joint.get("name"): (mimic.get("joint"), float(mimic.get("multiplier", 1)), float(mimic.get("offset", 0)))
            for joint in root.findall("joint")
            if (mimic := joint.find("mimic")) is not None
        }
        self._shapes = [_faces(kind, size) for kind, size in zip(self._model.geom_type, self._model.geom_size, strict=True)]

    def picture(self, joints: Mapping[str, float], markers: Sequence[Marker], camera: Camera) -> np.ndarray:
        """RGB uint8 (height, width, 3) of the camera. joints: name → rad or m; those the robot has not are left out."""
        for index in range(self._model.njnt):
            name = self._model.joint(index).name
            source, times, plus = self._mimics.get(name, (name, 1.0, 0.0))
            if source in joints:
                self._data.qpos[self._model.jnt_qposadr[index]] = joints[source] * times + plus
        mujoco.mj_kinematics(self._model, self._data)
        pinhole = Pinhole(camera)
        rows = np.linspace(0, 1, camera.height)[:, None, None]
        canvas = np.ascontiguousarray(np.broadcast_to((62 - 30 * rows) * (0.95, 1.0, 1.12), (camera.height, camera.width, 3)).astype(np.uint8))
        _grid(canvas, pinhole)
        self._solids(canvas, pinhole)
        for marker in markers:
            _mark(canvas, pinhole, marker)
        return canvas

    def _solids(self, canvas: np.ndarray, pinhole: Pinhole) -> None:
        drawn = []
        for geom, faces in enumerate(self._shapes):
            place, turn, colour = self._data.geom_xpos[geom], self._data.geom_xmat[geom].reshape(3, 3), self._model.geom_rgba[geom, :3] * 255
            for face in faces:
                corners = face @ turn.T + place
                normal = np.cross(corners[2] - corners[0], corners[3] - corners[1])
                size = np.linalg.norm(normal)
                if size < 1e-12 or normal @ (pinhole.position - corners.mean(axis=0)) <= 0:
                    continue  # seen from behind
                pixels, depth = _pixels(pinhole, corners)
                if depth.min() > _NEAR:
                    light = 0.45 + 0.55 * max(0.0, float(normal @ _LIGHT) / float(size))
                    drawn.append((float(depth.mean()), pixels, tuple(float(value) for value in np.clip(colour * light * 1.25, 0, 255))))
        for _, pixels, colour in sorted(drawn, key=lambda face: -face[0]):
            cv2.fillConvexPoly(canvas, _fixed(pixels), colour, cv2.LINE_AA, _SHIFT)


def _pixels(pinhole: Pinhole, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    shares, depth = pinhole.project(points)
    return shares * (pinhole.camera.width, pinhole.camera.height), depth


def _fixed(pixels: np.ndarray) -> np.ndarray:
    return np.round(np.clip(pixels, -1e5, 1e5) * 2**_SHIFT).astype(np.int32)


def _grid(canvas: np.ndarray, pinhole: Pinhole) -> None:
    """Lines a tenth of a metre apart on the base frame's ground."""
    ends = np.linspace(-1.0, 1.0, 21)
    for value in ends:
        for line in (np.stack([np.full(41, value), np.linspace(-1, 1, 41), np.zeros(41)], 1), np.stack([np.linspace(-1, 1, 41), np.full(41, value), np.zeros(41)], 1)):
            pixels, depth = _pixels(pinhole, line)
            for index in range(40):
                if depth[index : index + 2].min() > _NEAR:
                    start, end = _fixed(pixels[index]), _fixed(pixels[index + 1])
                    cv2.line(canvas, tuple(map(int, start)), tuple(map(int, end)), (84, 90, 100), 1, cv2.LINE_AA, _SHIFT)


def _mark(canvas: np.ndarray, pinhole: Pinhole, marker: Marker) -> None:
    """Lines, spheres and words; markers whose points stand in the base frame, as the stack's do."""
    if marker.action != Marker.ADD:
        return
    if marker.type == Marker.TEXT_VIEW_FACING:
        place = marker.pose.position
        pixels, depth = _pixels(pinhole, np.array([[place.x, place.y, place.z]]))
        if depth[0] > _NEAR:
            draw_label(canvas, marker.text, float(pixels[0, 0]), float(pixels[0, 1]), tuple(round(255 * value) for value in _rgb(marker.color)))
        return
    points = np.array([[point.x, point.y, point.z] for point in marker.points]).reshape(-1, 3)
    pixels, depth = _pixels(pinhole, points)
    colours = [tuple(255 * value for value in _rgb(colour)) for colour in marker.colors or [marker.color] * len(points)]
    focal = pinhole.camera.height / 2 / pinhole.half_height
    wide = max(1, round(marker.scale.x * focal / max(_NEAR, float(depth.mean())))) if len(points) else 1
    shown = _fixed(pixels)
    for index in range(len(points)):
        if depth[index] <= _NEAR:
            continue
        if marker.type == Marker.SPHERE_LIST:
            cv2.circle(canvas, tuple(map(int, shown[index])), max(2, wide // 2) << _SHIFT, colours[index], -1, cv2.LINE_AA, _SHIFT)
        elif marker.type == Marker.LINE_STRIP and index and depth[index - 1] > _NEAR:
            cv2.line(canvas, tuple(map(int, shown[index - 1])), tuple(map(int, shown[index])), colours[index], wide, cv2.LINE_AA, _SHIFT)


def _rgb(colour) -> tuple[float, float, float]:
    return colour.r, colour.g, colour.b
