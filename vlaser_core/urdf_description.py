"""The contract as a URDF, drawn with cylinders and boxes: what RViz, Foxglove and robot_state_publisher want to know of a robot.

Joints, ranges and frames are exact, so transforms made from it are the ones the gate computes with; looks, masses and
efforts are not in a contract. Shapes are for looking at, not for collision checks, and there are none for that.
"""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np

from vlaser_core.embodiment import Arm, Camera, Embodiment
from vlaser_core.errors import ConfigError
from vlaser_core.geometry import euler_from_matrix, matrix_from_quaternion
from vlaser_core.projection import uncalibrated

_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])  # REP-103: z forward, x right, in a body of x forward, y left
_COLOURS = {"bar": "0.38 0.41 0.46 1", "hub": "0.85 0.45 0.15 1", "hand": "0.70 0.72 0.75 1", "camera": "0.15 0.45 0.85 1"}
_STROKE = 0.2  # m; a finger's position beyond it is not a length, but a motor's angle


def robot_description(embodiment: Embodiment, *, cameras: bool = True) -> str:
    """URDF (XML text) of the robot: base frame, arms, two fingers a gripper, and the frames of calibrated cameras.

    Links are named after their joints (`<joint>_link`), grasp frames after their arms (`<arm>_grasp`). cameras: False
    where a camera's own driver publishes these frames; a frame has one parent. Raises ConfigError for names used twice.
    """
    robot = ElementTree.Element("robot", name=embodiment.name)
    for name, colour in _COLOURS.items():
        ElementTree.SubElement(ElementTree.SubElement(robot, "material", name=name), "color", rgba=colour)
    _link(robot, embodiment.base_frame)
    for arm in embodiment.arms:
        _arm(robot, embodiment.base_frame, arm)
    for camera in embodiment.cameras if cameras else ():
        if not uncalibrated(camera):
            _camera(robot, embodiment.base_frame, camera)
    for kind in ("link", "joint"):
        names = [element.get("name") for element in robot.findall(kind)]
        if twice := sorted({str(name) for name in names if names.count(name) > 1}):
            raise ConfigError(f"embodiment {embodiment.name!r} cannot be a URDF: {kind} names {twice} stand for two things; rename one of each")
    ElementTree.indent(robot)
    return ElementTree.tostring(robot, encoding="unicode", xml_declaration=True) + "\n"


def _arm(robot: ElementTree.Element, base: str, arm: Arm) -> None:
    parent, foot = base, (np.array(arm.base_position), matrix_from_quaternion(np.array(arm.base_orientation_xyzw)))
    if any(arm.base_position) or not np.allclose(foot[1], np.eye(3), atol=1e-12):
        parent = f"{arm.name}_foot"
        _link(robot, parent)
        _joint(robot, f"{arm.name}_foot_mount", "fixed", base, parent, *foot)
    levers = [np.array(joint.origin) for joint in arm.joints] + [np.array(arm.grasp_point)]
    thick = 0.03 * sum(float(np.linalg.norm(lever)) for lever in levers)
    for index, joint in enumerate(arm.joints):
        radius = thick * (1 - 0.5 * index / len(arm.joints))
        _bar(_find(robot, parent), levers[index], radius)
        child = f"{joint.name}_link"
        _shape(_link(robot, child), "hub", "sphere", radius=1.25 * radius)
        placed = _joint(
            robot, joint.name, "revolute", parent, child, np.array(joint.origin), matrix_from_quaternion(np.array(joint.orientation_xyzw))
        )
        ElementTree.SubElement(placed, "axis", xyz=_text(joint.axis))
        _limit(placed, joint.lower, joint.upper, joint.max_velocity)
        parent = child
    _hand(robot, arm, parent, thick / 2)


def _hand(robot: ElementTree.Element, arm: Arm, parent: str, thick: float) -> None:
    """The grasp frame, between two fingers that reach it from behind and part along its y axis."""
    place, turn = np.array(arm.grasp_point), matrix_from_quaternion(np.array(arm.grasp_orientation_xyzw))
    far = float(np.linalg.norm(place))
    length = min(0.06, far / 2) or 0.04
    forward = turn.T @ place / far if far > 1e-6 else np.array([1.0, 0.0, 0.0])
    aside = np.eye(3)[1 if abs(forward[1]) < 0.9 else 2]
    aside = aside - (aside @ forward) * forward
    aside /= np.linalg.norm(aside)
    frame = np.stack([forward, aside, np.cross(forward, aside)], axis=1)
    _bar(_find(robot, parent), place - turn @ forward * length, thick)
    grasp = f"{arm.name}_grasp"
    _link(robot, grasp)
    _joint(robot, f"{arm.name}_grasp_mount", "fixed", parent, grasp, place, turn)
    gripper = arm.gripper
    ends = sorted((gripper.closed_position, gripper.open_position))
    slides = max(map(abs, ends)) <= _STROKE
    if slides:  # on a rail as wide as they open
        across = _text((thick / 2, 2 * max(map(abs, ends)) + thick / 2, 1.2 * thick))
        _shape(_find(robot, grasp), "bar", "box", -forward * (length + thick / 4), frame, size=across)
    for name, side in ((gripper.joint, 1.0), (f"{gripper.joint}_opposite", -1.0)):
        finger = f"{name}_link"
        # The inner face is at the joint's position; a finger that swings has its hinge at the palm.
        hinge = np.zeros(3) if slides else -forward * length
        centre = (-forward if slides else forward) * length / 2 + aside * side * thick / 4
        _shape(_link(robot, finger), "hand", "box", centre, frame, size=_text((length, thick / 2, 1.2 * thick)))
        placed = _joint(robot, name, "prismatic" if slides else "revolute", grasp, finger, hinge, np.eye(3))
        ElementTree.SubElement(placed, "axis", xyz=_text(side * (aside if slides else frame[:, 2])))
        _limit(placed, *ends, 1.0)
        if side < 0:
            ElementTree.SubElement(placed, "mimic", joint=gripper.joint, multiplier="1", offset="0")


def _camera(robot: ElementTree.Element, base: str, camera: Camera) -> None:
    body = f"{camera.name}_body"
    _shape(_link(robot, body), "camera", "box", size=_text((0.025, 0.09, 0.025)))
    _joint(robot, f"{camera.name}_mount", "fixed", base, body, np.array(camera.position), matrix_from_quaternion(np.array(camera.orientation_xyzw)))
    _link(robot, camera.frame_id)
    _joint(robot, f"{camera.name}_optics", "fixed", body, camera.frame_id, np.zeros(3), _OPTICAL)


def _link(robot: ElementTree.Element, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(robot, "link", name=name)


def _find(robot: ElementTree.Element, name: str) -> ElementTree.Element:
    return next(link for link in robot.findall("link") if link.get("name") == name)


def _joint(
    robot: ElementTree.Element, name: str, kind: str, parent: str, child: str, place: np.ndarray, turn: np.ndarray
) -> ElementTree.Element:
    joint = ElementTree.SubElement(robot, "joint", name=name, type=kind)
    _origin(joint, place, turn)
    ElementTree.SubElement(joint, "parent", link=parent)
    ElementTree.SubElement(joint, "child", link=child)
    return joint


def _limit(joint: ElementTree.Element, lower: float, upper: float, velocity: float) -> None:
    # A URDF must name an effort; a contract has none, and nothing here simulates forces.
    ElementTree.SubElement(joint, "limit", lower=repr(float(lower)), upper=repr(float(upper)), velocity=repr(float(velocity)), effort="0")


def _bar(link: ElementTree.Element, end: np.ndarray, radius: float) -> None:
    """A cylinder from the link's origin to `end`; none where that is the same place."""
    length = float(np.linalg.norm(end))
    if length < 1e-4:
        return
    along = end / length
    other = np.eye(3)[int(np.argmin(np.abs(along)))]
    first = np.cross(other, along)
    first /= np.linalg.norm(first)
    turn = np.stack([first, np.cross(along, first), along], axis=1)
    _shape(link, "bar", "cylinder", end / 2, turn, radius=radius, length=length)


def _shape(
    link: ElementTree.Element, material: str, kind: str, place: np.ndarray | None = None, turn: np.ndarray | None = None, **size: float | str
) -> None:
    visual = ElementTree.SubElement(link, "visual")
    _origin(visual, np.zeros(3) if place is None else place, np.eye(3) if turn is None else turn)
    told = {key: value if isinstance(value, str) else f"{value:.6g}" for key, value in size.items()}
    ElementTree.SubElement(ElementTree.SubElement(visual, "geometry"), kind, told)
    ElementTree.SubElement(visual, "material", name=material)


def _origin(element: ElementTree.Element, place: np.ndarray, turn: np.ndarray) -> None:
    ElementTree.SubElement(element, "origin", xyz=_text(place), rpy=_text(euler_from_matrix(turn)))


def _text(values) -> str:
    """Numbers as they are, so that a frame is where the contract has it."""
    return " ".join(repr(float(value) + 0.0) for value in values)
