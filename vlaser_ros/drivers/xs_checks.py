"""What an Interbotix arm must answer before anything is sent to it. No ROS: answers come as plain values.

Each function returns its faults as sentences that say what to do; an empty list means all is well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from vlaser_core.embodiment import Arm

RANGE_TOLERANCE = 0.02  # rad, rounding between a URDF and a contract
LONGEST_PROFILE = 150  # ms a time profile may take for a move: longer, and a 5 Hz waypoint is replaced before it is reached
PROFILE_UNIT = 0.229 * 2 * math.pi / 60  # rad/s a count of Profile_Velocity (0.229 rev/min)
# Bits of the Hardware_Error_Status register of the X series.
HARDWARE_ERRORS = {0: "input voltage", 2: "overheating", 3: "motor encoder", 4: "electrical shock", 5: "overload"}


def group_faults(arm: Arm, names: Sequence[str], mode: str, joint_names: Sequence[str], lower: Sequence[float], upper: Sequence[float]) -> list[str]:
    """names: the arm's joints as the driver calls them, in the contract's order; the rest: the answer about the group."""
    faults = []
    if mode != "position":
        faults.append(f"the arm group is in operating mode {mode!r}, positions are sent: set operating_mode: position in its mode_configs")
    if list(joint_names) != list(names):
        return [*faults, f"the arm group holds joints {list(joint_names)}, the contract's arm {arm.name!r} has {list(names)} in that order"]
    # Without a URDF the driver tells no limits.
    for joint, name, low, high in zip(arm.joints, names, lower, upper, strict=False):
        if joint.lower < low - RANGE_TOLERANCE or joint.upper > high + RANGE_TOLERANCE:
            faults.append(
                f"the contract lets joint {joint.name!r} go to {joint.lower:.3f}…{joint.upper:.3f} rad, {name!r} of the robot goes to {low:.3f}…{high:.3f}: "
                "narrow the contract"
            )
    return faults


def gripper_faults(mode: str, wanted: str) -> list[str]:
    """The gripper's operating mode against the one whose unit is sent."""
    if mode == wanted:
        return []
    return [f"the gripper is in operating mode {mode!r}, commands are sent for {wanted!r}: set gripper_mode here or operating_mode in its mode_configs"]


def torque_faults(names: Sequence[str], values: Sequence[int]) -> list[str]:
    """Register Torque_Enable of each joint."""
    off = [name for name, value in zip(names, values, strict=False) if not value]
    return [f"torque is off at {', '.join(off)}: support the arm, then call its torque_enable service"] if off else []


def error_faults(names: Sequence[str], values: Sequence[int]) -> list[str]:
    """Register Hardware_Error_Status of each joint, bit by bit."""
    faults = []
    for name, value in zip(names, values, strict=False):
        causes = [cause for bit, cause in HARDWARE_ERRORS.items() if int(value) >> bit & 1]
        if value:
            faults.append(f"motor {name!r} reports {', '.join(causes) or f'error {value}'}: clear the cause, then call its reboot_motors service")
    return faults


def profile_faults(arm: Arm, profile: str, values: Sequence[int]) -> list[str]:
    """Register Profile_Velocity of each joint: ms of a `time` profile, counts of 0.229 rev/min of a `velocity` profile, 0 unlimited."""
    slow = []
    for joint, value in zip(arm.joints, values, strict=False):
        if profile == "time" and value > LONGEST_PROFILE:
            slow.append(f"{joint.name!r} takes {value} ms for every move")
        elif profile == "velocity" and 0 < value * PROFILE_UNIT < 0.95 * joint.max_velocity:
            slow.append(f"{joint.name!r} goes {value * PROFILE_UNIT:.2f} rad/s at most, the contract {joint.max_velocity:.2f}")
    return [f"the arm's motion profile is too slow to follow: {'; '.join(slow)}; set profile_velocity: 0 in its mode_configs"] if slow else []
