"""Quality of service between publishers, a recording's subscription and a bag's metadata."""

from __future__ import annotations

from collections.abc import Sequence

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def to_plain(profile: QoSProfile) -> dict:
    """As rosbag2's metadata of version 9 states it, so that `ros2 bag play` offers the same."""
    return {
        "history": profile.history.name.lower(),
        "depth": profile.depth,
        "reliability": profile.reliability.name.lower(),
        "durability": profile.durability.name.lower(),
        "deadline": _time(profile.deadline),
        "lifespan": _time(profile.lifespan),
        "liveliness": profile.liveliness.name.lower(),
        "liveliness_lease_duration": _time(profile.liveliness_lease_duration),
        "avoid_ros_namespace_conventions": bool(profile.avoid_ros_namespace_conventions),
    }


def _time(duration: Duration) -> dict[str, int]:
    return {"sec": duration.nanoseconds // 10**9, "nsec": duration.nanoseconds % 10**9}


def listening_to(offered: Sequence[QoSProfile], depth: int) -> QoSProfile:
    """The strongest subscription that is compatible with every one of these publishers."""
    reliable = all(profile.reliability != ReliabilityPolicy.BEST_EFFORT for profile in offered)
    latched = all(profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for profile in offered)
    return QoSProfile(
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )
