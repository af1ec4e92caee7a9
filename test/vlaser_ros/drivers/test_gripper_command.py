"""One finger position, six ways to say it to a motor."""

from __future__ import annotations

import pytest

from vlaser_core.embodiment import Gripper
from vlaser_core.errors import ConfigError
from vlaser_ros.drivers.gripper_command import GripperCommand

FINGER = Gripper("left_finger", closed_position=0.015, open_position=0.037)
FOLLOWER = Gripper("left_gripper", closed_position=0.0440, open_position=0.0579)


def test_linear_position_is_the_distance_between_both_fingers():
    assert GripperCommand(FINGER, "linear_position").command(0.037, 0.02) == pytest.approx(0.074)


@pytest.mark.parametrize("mode", ["position", "ext_position", "current_based_position"])
def test_position_modes_take_the_motors_angle(mode):
    command = GripperCommand(FOLLOWER, mode, closed=0.6197, opened=1.6214)
    assert command.command(0.0440, 0.05) == pytest.approx(0.6197) and command.command(0.0579, 0.05) == pytest.approx(1.6214)
    assert command.command((0.0440 + 0.0579) / 2, 0.05) == pytest.approx((0.6197 + 1.6214) / 2)


@pytest.mark.parametrize("mode", ["pwm", "current"])
def test_an_effort_opens_with_plus_closes_with_minus_and_rests_at_the_ends(mode):
    command = GripperCommand(FINGER, mode, effort=250.0)
    assert command.command(0.037, 0.015) == 250.0 and command.command(0.037, 0.037) == 0.0
    assert command.command(0.015, 0.037) == -250.0 and command.command(0.015, 0.0151) == 0.0
    assert command.command(0.015, 0.026) == -250.0, "fingers around an object keep their grip"


def test_a_gripper_that_closes_at_the_larger_number_is_none_the_worse():
    turned = Gripper("finger", closed_position=1.0, open_position=0.0)
    assert GripperCommand(turned, "pwm").command(0.0, 1.0) > 0 and GripperCommand(turned, "pwm").command(1.0, 0.0) < 0
    assert GripperCommand(turned, "position", closed=-1.0, opened=2.0).command(1.0, 0.0) == -1.0


@pytest.mark.parametrize(
    ("settings", "words"), [({"mode": "force"}, "force.*pwm"), ({"mode": "position"}, "gripper_closed"), ({"mode": "pwm", "effort": 0.0}, "effort")]
)
def test_settings_without_a_meaning_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        GripperCommand(FINGER, **settings)
