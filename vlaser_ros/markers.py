"""Where the arm means to go, as markers for RViz or Foxglove."""

from __future__ import annotations

from geometry_msgs.msg import Point
from visualization_msgs.msg import Marker, MarkerArray

from vlaser_core.embodiment import Embodiment
from vlaser_core.types import JointWaypoints
from vlaser_ros.messages import header, to_duration


def path_markers(embodiment: Embodiment, waypoints: JointWaypoints) -> MarkerArray:
    """A line through the grasp points (m, base frame) and a dot at each: green where the gripper is open, orange closed."""
    line = Marker(header=header(waypoints.stamp, embodiment.base_frame), ns="chunk", id=0, type=Marker.LINE_STRIP, action=Marker.ADD)
    dots = Marker(header=line.header, ns="chunk", id=1, type=Marker.SPHERE_LIST, action=Marker.ADD)
    line.scale.x = 0.004
    dots.scale.x = dots.scale.y = dots.scale.z = 0.01
    for marker in (line, dots):
        is_open = bool(waypoints.openness[-1, 0] > 0.5)
        marker.color.r, marker.color.g, marker.color.b, marker.color.a = (0.1, 0.8, 0.2, 1.0) if is_open else (1.0, 0.5, 0.0, 1.0)
        marker.pose.orientation.w = 1.0
        marker.lifetime = to_duration(2.0)
        marker.points = [Point(x=float(place[0, 3]), y=float(place[1, 3]), z=float(place[2, 3])) for place in waypoints.poses]
    return MarkerArray(markers=[line, dots])
