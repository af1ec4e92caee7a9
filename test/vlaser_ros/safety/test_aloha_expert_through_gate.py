"""The gate stands in nobody's way with two arms either: the Aloha expert hands its cube over through it, in virtual time."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("mujoco")

from sim_bridge.aloha import AlohaExpert, AlohaTable  # noqa: E402
from sim_bridge.world import SERVO_PERIOD  # noqa: E402
from vlaser_core.embodiment import load_embodiment  # noqa: E402
from vlaser_core.geometry import matrix_from_euler, matrix_from_quaternion, pose  # noqa: E402
from vlaser_core.kinematics import Kinematics  # noqa: E402
from vlaser_ros.joint_history import JointHistory  # noqa: E402
from vlaser_ros.safety.commander import Commander, finger_positions  # noqa: E402
from vlaser_ros.safety.gate import Gate  # noqa: E402
from vlaser_ros.safety.verdict import GateCode, Posture, Proposal  # noqa: E402

ROBOT = load_embodiment("aloha")
COUNT = len(ROBOT.joint_names)


class Arms:
    """Both arms behind gate and commander; `clock` is virtual seconds."""

    def __init__(self, world: AlohaTable) -> None:
        self.world, self.clock, self.sequence = world, 10.0, 0
        self.gate, self.commander, self.joints = Gate(ROBOT), Commander(ROBOT), JointHistory(ROBOT)
        self.names = [*ROBOT.joint_names, *(arm.gripper.joint for arm in ROBOT.arms)]
        self.rest(0.1)

    def measured(self) -> np.ndarray:
        joints, openness = self.world.joint_state()
        return np.concatenate([joints, finger_positions(ROBOT, openness)])

    def rest(self, seconds: float) -> None:
        """Let time pass; whatever is to be played is played."""
        for _ in range(round(seconds / SERVO_PERIOD)):
            self.clock += SERVO_PERIOD
            told = self.commander.commanded(self.clock, None)
            if told is not None:
                openness = [arm.gripper.openness(finger) for arm, finger in zip(ROBOT.arms, told[COUNT:], strict=True)]
                self.world.set_target(told[:COUNT], np.clip(openness, 0.0, 1.0))
            self.world.advance(SERVO_PERIOD)
            self.joints.add(self.clock, self.names, self.measured())

    def ask(self, actions: np.ndarray, delay: float):
        """Propose a chunk for the present view, `delay` s later, and begin to play it when accepted."""
        stamp, self.sequence = self.clock, self.sequence + 1
        self.rest(delay)
        told = self.commander.commanded(self.clock, self.measured())
        velocity = self.commander.velocity(self.clock) if self.commander.told is not None else None
        posture = Posture(
            self.joints.at(stamp)[0], self.joints.newest()[1], self.joints.velocity(), told[:COUNT], velocity, self.commander.rested(stamp, self.clock)
        )
        asked = Proposal(self.sequence, ROBOT.name, ROBOT.action.names, actions, stamp, ROBOT.action.dt, len(actions))
        verdict = self.gate.check(asked, posture, self.clock)
        if verdict.accepted:
            self.commander.play(verdict.motion, self.clock, self.measured())
        return verdict


@pytest.mark.parametrize(("task", "delay"), [("aloha_transfer_cube", 0.06), ("aloha_lift_both", 0.3)])
def test_the_expert_is_never_refused_and_finishes(task, delay):
    world = AlohaTable("rays", task)
    world.reset(task, 3)
    expert, arms, refusals = AlohaExpert(world), Arms(world), []
    while arms.clock < 10.0 + world.spec.seconds:
        verdict = arms.ask(expert.chunk(), delay)
        refusals += [] if verdict.accepted else [verdict.reason]
        arms.rest((verdict.due - arms.clock if verdict.accepted else 0.1) + SERVO_PERIOD)
    assert refusals == [] and world.is_success()


def test_both_arms_are_held_to_the_contract():
    """The loop above would notice: the right hand may come down to the table and not below it."""
    world = AlohaTable("rays", "aloha_cube_on_plate")
    joints, openness = world.joint_state()
    kinematics = Kinematics(ROBOT.arms[1])
    foot, down = matrix_from_quaternion(np.array(ROBOT.arms[1].base_orientation_xyzw)), matrix_from_euler(np.array([0.0, np.pi / 2, 0.0]))
    hand = pose(foot @ down, np.array([0.0, -0.15, 0.08]))
    high = kinematics.inverse(hand, joints[6:])
    for share in np.linspace(0.0, 1.0, 100):
        world.set_target(np.concatenate([joints[:6], joints[6:] + share * (high - joints[6:])]), openness)
        world.advance(SERVO_PERIOD)
    arms = Arms(world)

    def down_to(height: float):
        goal = hand.copy()
        goal[2, 3] = height
        low, now = kinematics.inverse(goal, high), world.joint_state()[0]
        steps = [np.concatenate([now[:6], [1.0], now[6:] + share * (low - now[6:]), [1.0]]) for share in np.linspace(0.02, 1.0, 50)]
        verdict = arms.ask(np.array(steps), 0.06)
        arms.rest(1.5)
        return verdict

    allowed, refused = down_to(0.03), down_to(-0.03)
    assert allowed.accepted, allowed.reason
    assert refused.code is GateCode.WORKSPACE and "right" in refused.reason, refused.reason
