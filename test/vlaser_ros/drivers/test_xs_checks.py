"""Answers of an Interbotix arm that forbid moving it, each with what to do."""

from __future__ import annotations

import pytest

from vlaser_core.embodiment import load_embodiment
from vlaser_ros.drivers import xs_checks

ARM = load_embodiment("widowx").arms[0]
NAMES = tuple(joint.name for joint in ARM.joints)
LOWER, UPPER = [joint.lower for joint in ARM.joints], [joint.upper for joint in ARM.joints]


def test_the_arm_of_the_contract_has_no_fault():
    assert not xs_checks.group_faults(ARM, NAMES, "position", NAMES, LOWER, UPPER)
    assert not xs_checks.group_faults(ARM, NAMES, "position", NAMES, [], []), "without a URDF the robot tells no limits"
    assert not xs_checks.torque_faults(NAMES, [1] * 6) and not xs_checks.error_faults(NAMES, [0] * 6)
    assert not xs_checks.profile_faults(ARM, "velocity", [0] * 6) and not xs_checks.profile_faults(ARM, "time", [20] * 6)
    assert not xs_checks.profile_faults(ARM, "velocity", [131] * 6), "131 counts are the motors' 3.14 rad/s"


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (xs_checks.group_faults(ARM, NAMES, "velocity", NAMES, LOWER, UPPER), ["'velocity'", "operating_mode"]),
        (xs_checks.group_faults(ARM, NAMES, "position", NAMES[:5], [], []), ["wrist_rotate", "order"]),
        (xs_checks.group_faults(ARM, NAMES, "position", (NAMES[1], NAMES[0], *NAMES[2:]), [], []), ["order"]),
        (xs_checks.group_faults(ARM, NAMES, "position", NAMES, LOWER, [1.0, *UPPER[1:]]), ["'waist'", "narrow"]),
        (xs_checks.gripper_faults("pwm", "linear_position"), ["pwm", "linear_position", "gripper_mode"]),
        (xs_checks.torque_faults(NAMES, [1, 1, 0, 1, 1, 0]), ["elbow, wrist_rotate", "torque_enable", "support"]),
        (xs_checks.error_faults(NAMES, [0, 0b100100, 0, 0, 0, 0]), ["shoulder", "overheating, overload", "reboot_motors"]),
        (xs_checks.error_faults(NAMES, [64, 0, 0, 0, 0, 0]), ["waist", "64"]),
        (xs_checks.profile_faults(ARM, "time", [2000] * 6), ["2000 ms", "profile_velocity"]),
        (xs_checks.profile_faults(ARM, "velocity", [40] * 6), ["rad/s", "profile_velocity"]),
    ],
)
def test_each_fault_is_told_with_its_remedy(faults, words):
    assert len(faults) == 1
    assert all(word in faults[0] for word in words), faults


def test_every_faulty_motor_is_told():
    assert len(xs_checks.error_faults(NAMES, [1, 0, 4, 0, 0, 32])) == 3
