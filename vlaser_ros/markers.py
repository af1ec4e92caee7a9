"""Where the arm means to go, as markers for RViz or Foxglove: a line a chunk and arm, blue at its beginning, pink at its end.

Dots stand at the steps, green where the gripper is open, orange where it is closed. A chunk that was refused is red
and says why. What is over is deleted; nothing is made while nobody looks.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from geometry_msgs.msg import Point
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import ColorRGBA, Header, String
from visualization_msgs.msg import Marker, MarkerArray
from vlaser_msgs.msg import ActionChunk

from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import ConfigError, InputError
from vlaser_core.processing.path import grasp_path, grasp_points, openness_of
from vlaser_core.urdf_description import robot_description
from vlaser_ros.joint_history import JointHistory
from vlaser_ros.messages import header, proposal, to_duration
from vlaser_ros.safety.verdict import Verdict

RED, OPEN, CLOSED = (1.0, 0.15, 0.1), (0.15, 0.85, 0.25), (1.0, 0.55, 0.0)
FIRST, LAST = np.array([0.2, 0.65, 1.0]), np.array([1.0, 0.25, 0.75])  # of the line
SHOWN_REFUSED = 3.0  # s a refused chunk is shown
GRACE = 1.0  # s after its end in which a path is deleted; a viewer does it then by itself, where the controller is gone
_FARTHEST = 100.0  # m; viewers draw in single precision, and nothing of an arm's is out there


def path_markers(top: Header, path: np.ndarray, openness: np.ndarray, *, lifetime: float, refused: str = "") -> MarkerArray:
    """Per arm a line through `path` (h + 1, G, 3), m, from the observation on, a dot at each step coloured by `openness` (h, G).

    refused: why the chunk will not be executed; it is red then. Points that are not finite are left out.
    """
    lead = np.linspace(0.0, 1.0, len(path))[:, None]
    line = [RED] * len(path) if refused else ((1 - lead) * FIRST + lead * LAST).tolist()
    markers = []
    for arm in range(path.shape[1]):
        with np.errstate(invalid="ignore"):
            known = (np.abs(path[:, arm]) < _FARTHEST).all(axis=1)
        grip = [OPEN if value > 0.5 else CLOSED for value in openness[:, arm]]
        dots = [RED if refused else colour for colour in grip]
        strip = _marker(top, "path", arm, Marker.LINE_STRIP, lifetime)
        strip.scale.x = 0.005
        _fill(strip, path[known, arm], [colour for colour, shown in zip(line, known, strict=True) if shown])
        steps = _marker(top, "steps", arm, Marker.SPHERE_LIST, lifetime)
        steps.scale.x = steps.scale.y = steps.scale.z = 0.012
        _fill(steps, path[1:][known[1:], arm], [colour for colour, shown in zip(dots, known[1:], strict=True) if shown])
        markers += [strip, steps]
    reason = _marker(top, "reason", 0, Marker.TEXT_VIEW_FACING, lifetime)
    if refused and np.isfinite(path[0, 0]).all():
        reason.text, reason.color, reason.scale.z = refused[:120], _colour(RED), 0.02
        x, y, z = path[0, 0].tolist()
        reason.pose.position = Point(x=x, y=y, z=z + 0.06)
    else:
        reason.action = Marker.DELETE
    return MarkerArray(markers=[*markers, reason])


def _marker(top: Header, name: str, number: int, kind: int, lifetime: float) -> Marker:
    marker = Marker(header=top, ns=name, id=number, type=kind, action=Marker.ADD, lifetime=to_duration(lifetime))
    marker.pose.orientation.w = 1.0
    marker.color.a = 1.0
    return marker


def _fill(marker: Marker, points: np.ndarray, colours: list) -> None:
    if len(points) < (2 if marker.type == Marker.LINE_STRIP else 1):
        marker.action = Marker.DELETE  # a line of one point is an error to a viewer
        return
    marker.points = [Point(x=x, y=y, z=z) for x, y, z in points.tolist()]
    marker.colors = [_colour(colour) for colour in colours]


def _colour(rgb) -> ColorRGBA:
    red, green, blue = (float(value) for value in rgb)
    return ColorRGBA(r=red, g=green, b=blue, a=1.0)


class PathDisplay:
    """Keeps `publish`'s topic at what the controller does now. joints: what is known of them. looked_at: whether somebody
    subscribes. Not thread-safe."""

    def __init__(
        self, embodiment: Embodiment, joints: Callable[[], JointHistory], publish: Callable[[MarkerArray], None], looked_at: Callable[[], bool]
    ) -> None:
        self._embodiment, self._joints, self._publish, self._looked_at = embodiment, joints, publish, looked_at
        self._shown = False  # a path that is on its way

    def accepted(self, verdict: Verdict, stamp: float, now: float) -> None:
        """The path of a chunk that is on its way. stamp: s, of its observation."""
        if self._looked_at():
            waypoints = verdict.waypoints
            begin = grasp_points(self._embodiment, self._joints().at(stamp)[0])
            path = np.concatenate([begin[None], waypoints.poses[:, :, :3, 3]])
            self._show(path, waypoints.openness, now, lifetime=max(0.0, verdict.due - now) + GRACE)

    def refused(self, message: ActionChunk, now: float, reason: str) -> None:
        """The path of a chunk that will not be executed, as far as it can be known: from where the arm was, or else is."""
        if not self._looked_at():
            return
        try:
            asked = proposal(message)
            actions = asked.actions[: asked.executed_steps]
            path = grasp_path(self._embodiment, grasp_points(self._embodiment, self._observed(asked.stamp)), actions)
        except InputError:
            return  # no chunk of this robot, or an arm whose posture nobody knows: the verdict says so in words
        self._show(path, openness_of(self._embodiment, actions), now, lifetime=SHOWN_REFUSED, refused=reason)

    def over(self, now: float) -> None:
        """Nothing is on its way any more. What was refused stays as long as it is to be read: the hold follows it at once."""
        if self._shown:
            self._shown = False
            self._publish(MarkerArray(markers=[Marker(header=header(now, self._embodiment.base_frame), action=Marker.DELETEALL)]))

    def _observed(self, stamp: float) -> np.ndarray:
        try:
            return self._joints().at(stamp)[0]
        except InputError:
            return self._joints().newest()[1]

    def _show(self, path: np.ndarray, openness: np.ndarray, now: float, **words) -> None:
        if math.isfinite(now):
            self._shown = "refused" not in words
            self._publish(path_markers(header(now, self._embodiment.base_frame), path, openness, **words))


def make_display(node: Node, embodiment: Embodiment, joints: Callable[[], JointHistory]) -> PathDisplay:
    """A path display on the node's `vlaser/path`; the robot's URDF goes out, latched, on `vlaser/robot_description`."""
    # Not plain robot_description: that of a robot's own driver stays what it is.
    latched = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    description = node.create_publisher(String, "vlaser/robot_description", latched)
    try:
        description.publish(String(data=robot_description(embodiment)))
    except ConfigError as error:
        node.get_logger().warning(f"no vlaser/robot_description: {error}")  # only looks depend on it
    paths = node.create_publisher(MarkerArray, "vlaser/path", 5)
    return PathDisplay(embodiment, joints, paths.publish, lambda: paths.get_subscription_count() > 0)
