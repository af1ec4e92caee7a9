"""Reading a JointTrajectory as strictly as a motor deserves."""

from __future__ import annotations

import numpy as np
from trajectory_msgs.msg import JointTrajectory

from vlaser_core.errors import InputError
from vlaser_ros.messages import to_seconds


def read_trajectory(message: JointTrajectory, joints: tuple[str, ...], now: float) -> tuple[np.ndarray, np.ndarray]:
    """Due times (k,) in s and positions (k, n) in the order of `joints`; k = 0 means stop where you are.

    A zero stamp means `now`. Raises InputError naming joints that are missing or unknown, points without as many
    finite positions as names, and times that do not increase.
    """
    if sorted(message.joint_names) != sorted(joints):
        raise InputError(f"trajectory names joints {list(message.joint_names)}, expected exactly {list(joints)}")
    order = [list(message.joint_names).index(name) for name in joints]
    begin = to_seconds(message.header.stamp) or now
    times, positions = [], []
    for index, point in enumerate(message.points):
        values = np.array(point.positions, dtype=float)
        if len(values) != len(joints) or not np.isfinite(values).all():
            raise InputError(f"point {index} has positions {values.tolist()}, expected {len(joints)} finite numbers")
        times.append(begin + to_seconds(point.time_from_start))
        if len(times) > 1 and times[-1] <= times[-2]:
            raise InputError(f"point {index} is due {times[-2] - times[-1]:.3f} s before the one in front of it")
        positions.append(values[order])
    return np.array(times), np.array(positions).reshape(len(times), len(joints))
