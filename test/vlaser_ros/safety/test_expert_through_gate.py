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
from vlaser_ros.safety.commander import Commander
from vlaser_ros.safety.following import Following
from vlaser_ros.safety.gate import Gate, Posture, Proposal, Verdict


@pytest.fixture(scope="module")
def world():
    world = Tabletop("rays")
    yield world
    world.close()


class Arm:
    """The tabletop's arm behind gate and commander; `clock` is virtual seconds."""

    def __init__(self, world: Tabletop, *, retime: bool = False, rate: float = 0.0, robot: Embodiment | None = None) -> None:
        robot = robot or world.embodiment
        self.world, self.robot, self.gripper, self.clock = world, robot, robot.arms[0].gripper, 0.0
        self.names = [*robot.joint_names, self.gripper.joint]
        self.gate = Gate(robot, retime=retime, rate=rate, max_age=2.0)
        self.joints, self.commander, self.following = JointHistory(robot), Commander(robot), Following(robot)
        self.faults: list[str] = []
        self.worst = 0.0
        self.target = self.measured()
        self.rest(0.1)

    def measured(self) -> np.ndarray:
        joints, openness = self.world.joint_state()
        return np.array([*joints, self.gripper.position(float(openness[0]))])

    def rest(self, seconds: float) -> None:
        """Let time pass; whatever is to be played is played."""
        until = self.clock + seconds
        while self.clock < until - SERVO_PERIOD / 2:
            if self.commander.moving:
                self.target = self.commander.player.sample(self.clock)
            self.world.set_target(self.target[:-1], np.clip([self.gripper.openness(self.target[-1])], 0.0, 1.0))
            self.world.advance(SERVO_PERIOD)
            self.clock += SERVO_PERIOD
            now = self.measured()
            self.joints.add(self.clock, self.names, now)
            self.faults += filter(None, [self.following.leapt(self.clock, now[:-1])])
            if self.commander.moving:
                self.faults += filter(None, [self.following.compare(self.clock, now[:-1], self.commander.player.sample(self.clock)[:-1])])
                self.worst = max(self.worst, self.following.worst)

    def ask(self, sequence: int, actions: np.ndarray, delay: float) -> Verdict:
        """Propose a chunk for the present view, `delay` s later, and begin to play it when accepted."""
        stamp = self.clock
        self.rest(delay)
        told = self.commander.commanded(self.clock, self.measured())[:-1]
        known = self.commander.told is not None
        posture = Posture(
            self.joints.at(stamp)[0],
            self.joints.newest()[1],
            self.joints.velocity(),
            told,
            self.commander.velocity(self.clock) if known else None,
            self.commander.rested(stamp, self.clock),
        )
        asked = Proposal(sequence, self.robot.name, self.robot.action.names, actions, stamp, self.robot.action.dt, len(actions))
        verdict = self.gate.check(asked, posture, self.clock)
        if verdict.accepted:
            self.faults += filter(None, [self.following.end()])
            self.commander.play(verdict.motion, self.clock, self.measured())
        return verdict


def run(world: Tabletop, task: str, seed: int, *, noise: float, delay: float, **options) -> tuple[bool, list[Verdict], Arm]:
    """One episode of the expert; success at its end, every verdict, and the arm."""
    world.reset(task, seed)
    expert, arm, verdicts = ScriptedExpert(world, noise, seed), Arm(world, **options), []
    for chunk in range(world.max_steps() // world.embodiment.action.horizon):
        verdict = arm.ask(chunk + 1, expert.perturb(expert.chunk()), delay)
        verdicts.append(verdict)
        arm.rest(verdict.due - arm.clock if verdict.accepted else world.embodiment.action.dt)
    return world.is_success(), verdicts, arm


# Delays: a fast model whose arm still settles from the chunk before, and slow ones whose arm has come to rest.
@pytest.mark.parametrize(
    ("task", "seed", "noise", "delay"), [(task, k, 0.005 * (k % 2), (0.04, 0.3)[k // 2]) for k, task in enumerate(TASKS)]
)
@pytest.mark.parametrize("options", [{}, {"rate": 50.0}, {"retime": True}], ids=["waypoints", "50 Hz", "retime"])
def test_the_expert_is_never_refused_and_finishes_however_slow_the_model(world, task, seed, noise, delay, options):
    success, verdicts, arm = run(world, task, seed, noise=noise, delay=delay, **options)
    assert [verdict.reason for verdict in verdicts if not verdict.accepted] == []
    assert success and len(verdicts) == world.max_steps() // 4
    assert arm.faults == [], "an arm that obeys was taken for one that does not"
    assert arm.worst < world.embodiment.safety.max_following_error / 2


@pytest.mark.parametrize("delay", [0.1, 0.16, 0.5])
def test_no_latency_makes_steps_too_quick_for_the_arm(world, delay):
    success, verdicts, _ = run(world, "widowx_carrot_on_plate", 0, noise=0.0, delay=delay)
    assert [verdict.reason for verdict in verdicts if not verdict.accepted] == []
    assert success and all(verdict.first == 0 for verdict in verdicts)


def test_the_same_arm_is_refused_what_it_cannot_follow(world):
    """The loop above would notice: with joints that may accelerate a twentieth as fast, the expert is refused."""
    world.reset("widowx_stack_cube", 0)
    arm = world.embodiment.arms[0]
    joints = tuple(replace(joint, max_acceleration=joint.max_acceleration / 20) for joint in arm.joints)
    expert, arm = ScriptedExpert(world), Arm(world, retime=True, robot=replace(world.embodiment, arms=(replace(arm, joints=joints),)))
    verdicts = [arm.ask(chunk + 1, expert.chunk(), 0.04) for chunk in range(6)]
    assert any("rad/s²" in verdict.reason for verdict in verdicts)
