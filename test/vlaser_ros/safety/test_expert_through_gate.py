"""The gate stands in nobody's way: a policy that does the tasks passes it, chunk after chunk, on the simulated arm.

Virtual time, no ROS: what the controller and the sim driver do between them, one servo period after another.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sim_bridge.tabletop import TASKS, ScriptedExpert, Tabletop
from sim_bridge.world import SERVO_PERIOD
from vlaser_core.embodiment import Embodiment
from vlaser_ros.joint_history import JointHistory
from vlaser_ros.safety.gate import Gate, Posture, Proposal, Verdict
from vlaser_ros.trajectory import TrajectoryPlayer


@pytest.fixture(scope="module")
def world():
    world = Tabletop("rays")
    yield world
    world.close()


class Arm:
    """The tabletop's arm behind gate and trajectory player; `clock` is virtual seconds."""

    def __init__(self, world: Tabletop, *, retime: bool, robot: Embodiment | None = None) -> None:
        robot = robot or world.embodiment
        self.world, self.robot, self.gripper, self.clock = world, robot, robot.arms[0].gripper, 0.0
        self.names = [*robot.joint_names, self.gripper.joint]
        self.gate = Gate(robot, retime=retime, max_age=2.0)
        self.joints = JointHistory(robot)
        self.player = TrajectoryPlayer(switched=(len(robot.joint_names),))
        self.commanded = self.measured()
        self.rest(0.1)

    def measured(self) -> np.ndarray:
        joints, openness = self.world.joint_state()
        return np.array([*joints, self.gripper.position(float(openness[0]))])

    def rest(self, seconds: float) -> None:
        """Let time pass; whatever is to be played is played."""
        until = self.clock + seconds
        while self.clock < until - SERVO_PERIOD / 2:
            if self.player.active:
                self.commanded = self.player.sample(self.clock)
            self.world.set_target(self.commanded[:-1], np.clip([self.gripper.openness(self.commanded[-1])], 0.0, 1.0))
            self.world.advance(SERVO_PERIOD)
            self.clock += SERVO_PERIOD
            self.joints.add(self.clock, self.names, self.measured())

    def ask(self, sequence: int, actions: np.ndarray, delay: float) -> Verdict:
        """Propose a chunk for the present view, `delay` s later, and begin to play it when accepted."""
        stamp = self.clock
        self.rest(delay)
        posture = Posture(self.joints.at(stamp)[0], self.joints.newest()[1], self.joints.velocity())
        asked = Proposal(sequence, self.robot.name, self.robot.action.names, actions, stamp, self.robot.action.dt, len(actions))
        verdict = self.gate.check(asked, posture, self.clock)
        if verdict.accepted:
            fingers = [[self.gripper.position(float(value))] for value in verdict.waypoints.openness[:, 0]]
            times = verdict.waypoints.stamp + verdict.waypoints.dt * np.arange(1, len(fingers) + 1)
            path = np.hstack([verdict.waypoints.positions, fingers])
            self.player.splice(times[verdict.first :], path[verdict.first :], self.clock, self.commanded)
        return verdict


def run(world: Tabletop, task: str, seed: int, *, noise: float, delay: float, retime: bool) -> tuple[bool, list[Verdict]]:
    """One episode of the expert; success at its end, and every verdict."""
    world.reset(task, seed)
    expert, arm, verdicts = ScriptedExpert(world, noise, seed), Arm(world, retime=retime), []
    for chunk in range(world.max_steps() // world.embodiment.action.horizon):
        verdict = arm.ask(chunk + 1, expert.perturb(expert.chunk()), delay)
        verdicts.append(verdict)
        arm.rest(verdict.due - arm.clock if verdict.accepted else world.embodiment.action.dt)
    return world.is_success(), verdicts


# Delays: a fast model whose arm still settles from the chunk before, and a slow one whose arm has come to rest.
@pytest.mark.parametrize(("task", "seed", "noise", "delay"), [(task, k, 0.005 * (k % 2), (0.04, 0.3)[k // 2]) for k, task in enumerate(TASKS)])
def test_the_expert_is_never_refused_and_finishes_when_chunks_start_on_arrival(world, task, seed, noise, delay):
    success, verdicts = run(world, task, seed, noise=noise, delay=delay, retime=True)
    assert [verdict.reason for verdict in verdicts if not verdict.accepted] == []
    assert success and len(verdicts) == world.max_steps() // 4


def test_a_fast_model_passes_with_chunks_due_from_their_observation(world):
    success, verdicts = run(world, "widowx_carrot_on_plate", 0, noise=0.0, delay=0.06, retime=False)
    assert [verdict.reason for verdict in verdicts if not verdict.accepted] == []
    assert success


def test_the_same_arm_is_refused_what_it_cannot_follow(world):
    """The loop above would notice: with joints that may accelerate a twentieth as fast, the expert is refused."""
    world.reset("widowx_stack_cube", 0)
    arm = world.embodiment.arms[0]
    joints = tuple(replace(joint, max_acceleration=joint.max_acceleration / 20) for joint in arm.joints)
    expert, arm = ScriptedExpert(world), Arm(world, retime=True, robot=replace(world.embodiment, arms=(replace(arm, joints=joints),)))
    verdicts = [arm.ask(chunk + 1, expert.chunk(), 0.04) for chunk in range(6)]
    assert any("rad/s²" in verdict.reason for verdict in verdicts)
