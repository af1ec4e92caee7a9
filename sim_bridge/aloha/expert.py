"""A scripted expert with privileged poses: shows that each task can be done, in the joint actions a policy would send.

It follows a plan of way-points in the base frame; a way-point is worked out when it is reached, so it sees where things are then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vlaser_core.errors import InputError, KinematicsError
from vlaser_core.geometry import matrix_from_euler, matrix_from_quaternion, matrix_from_rotvec, pose, rotvec_from_matrix
from vlaser_core.kinematics import Kinematics

if TYPE_CHECKING:
    from sim_bridge.aloha.world import AlohaTable

LEFT, RIGHT = 0, 1
HOVER, LIFT, MEETING = 0.10, 0.11, np.array([0.0, 0.0, 0.28])  # metres
SPEED, TURN = 0.22, 1.6  # m/s and rad/s of a hand on its way
SHORTEST, CLOSING = 0.3, 0.5  # s of a move, and that fingers take
_DOWN = matrix_from_euler(np.array([0.0, np.pi / 2, 0.0]))


@dataclass(frozen=True)
class Way:
    """Where the hands go next. poses: arm → pose (4, 4); arms not named stay. openness: arm → 0…1. seconds: at least.
    straight: the hand keeps to a line; else its joints take the shortest way."""

    poses: dict[int, np.ndarray]
    openness: dict[int, float]
    seconds: float = SHORTEST
    straight: bool = True


class AlohaExpert:
    """The expert of one world. To be made after `reset`; `chunk` goes on where the last chunk ended."""

    def __init__(self, world: AlohaTable) -> None:
        self._world = world
        self._kinematics = [Kinematics(arm) for arm in world.embodiment.arms]
        self._feet = [matrix_from_quaternion(np.array(arm.base_orientation_xyzw)) for arm in world.embodiment.arms]
        plans: dict[str, Callable[[], Iterator[Way]]] = {
            "aloha_transfer_cube": self._transfer,
            "aloha_cube_on_plate": self._on_plate,
            "aloha_lift_both": self._lift_both,
        }
        if world.task not in plans:
            raise InputError(f"the expert has no plan for {world.task!r}; it has {', '.join(plans)}")
        joints, self._openness = world.joint_state()
        self._joints = [joints[:6], joints[6:]]
        self._actions = self._steps(plans[world.task]())

    def chunk(self) -> np.ndarray:
        """The next H actions (H, 14): joints (rad) and openness, left arm first. The last one is repeated when all is done."""
        return np.array([next(self._actions) for _ in range(self._world.embodiment.action.horizon)])

    def _action(self) -> np.ndarray:
        return np.concatenate([part for joints, opening in zip(self._joints, self._openness, strict=True) for part in (joints, [opening])])

    def _steps(self, plan: Iterator[Way]) -> Iterator[np.ndarray]:
        dt = self._world.embodiment.action.dt
        for way in plan:
            starts = {arm: self._kinematics[arm].forward(self._joints[arm]) for arm in way.poses}
            turns = {arm: rotvec_from_matrix(goal[:3, :3] @ starts[arm][:3, :3].T) for arm, goal in way.poses.items()}
            longest = [np.linalg.norm(goal[:3, 3] - starts[arm][:3, 3]) / SPEED for arm, goal in way.poses.items()]
            longest += [np.linalg.norm(turn) / TURN for turn in turns.values()]
            before, after = self._joints.copy(), {} if way.straight else {arm: self._solve(arm, goal) for arm, goal in way.poses.items()}
            longest += [np.abs(joints - before[arm]).max() / TURN for arm, joints in after.items()]
            count, opened = max(1, round(max([way.seconds, *longest]) / dt)), self._openness.copy()
            for step in range(1, count + 1):
                share = step / count
                eased = share * share * (3 - 2 * share)
                for arm, joints in after.items():
                    self._joints[arm] = before[arm] + (joints - before[arm]) * eased
                for arm, goal in way.poses.items() if way.straight else ():
                    place = starts[arm][:3, 3] + eased * (goal[:3, 3] - starts[arm][:3, 3])
                    between = pose(matrix_from_rotvec(turns[arm] * eased) @ starts[arm][:3, :3], place)
                    self._joints[arm] = self._kinematics[arm].inverse(between, self._joints[arm])
                for arm, value in way.openness.items():
                    self._openness[arm] = opened[arm] + (value - opened[arm]) * share
                yield self._action()
        while True:
            yield self._action()

    def _solve(self, arm: int, goal: np.ndarray) -> np.ndarray:
        """Joints at `goal`, near the present ones or else near home. Raises KinematicsError."""
        try:
            return self._kinematics[arm].inverse(goal, self._joints[arm])
        except KinematicsError:
            return self._kinematics[arm].inverse(goal, np.array(self._world.embodiment.arms[arm].home))

    def _down(self, arm: int, name: str) -> np.ndarray:
        """Rotation of a hand that points down and closes across the cube, turned least from the arm's own direction."""
        body, foot = self._world.thing(name), self._feet[arm]
        yaw = np.arctan2(body[1, 0], body[0, 0]) - np.arctan2(foot[1, 0], foot[0, 0])
        yaw = (yaw + np.pi / 4) % (np.pi / 2) - np.pi / 4
        return foot @ matrix_from_euler(np.array([0.0, 0.0, yaw])) @ _DOWN

    def _over(self, arm: int, name: str, height: float) -> np.ndarray:
        return pose(self._down(arm, name), self._world.thing(name)[:3, 3] + (0.0, 0.0, height))

    def _pick(self, arms: dict[int, str]) -> Iterator[Way]:
        """Each arm takes its cube and lifts it."""
        opened = {arm: 1.0 for arm in arms}
        yield Way({arm: self._over(arm, name, HOVER) for arm, name in arms.items()}, opened, straight=False)
        yield Way({arm: self._over(arm, name, 0.0) for arm, name in arms.items()}, opened, 0.8)
        grasped = {arm: self._over(arm, name, 0.0) for arm, name in arms.items()}
        yield Way({}, {arm: 0.0 for arm in arms}, CLOSING)
        yield Way({arm: pose(at[:3, :3], at[:3, 3] + (0.0, 0.0, LIFT)) for arm, at in grasped.items()}, {})

    def _lift_both(self) -> Iterator[Way]:
        yield from self._pick({LEFT: "other", RIGHT: "cube"})

    def _on_plate(self) -> Iterator[Way]:
        yield from self._pick({LEFT: "cube"})
        plate, hand = self._world.thing("plate")[:3, 3], self._feet[LEFT] @ _DOWN
        above, on = plate + (0.0, 0.0, LIFT), plate + (0.0, 0.0, 0.03)
        yield Way({LEFT: pose(hand, above)}, {}, straight=False)
        yield Way({LEFT: pose(hand, on)}, {}, 0.8)
        yield Way({}, {LEFT: 1.0}, CLOSING)
        yield Way({LEFT: pose(hand, above)}, {})

    def _transfer(self) -> Iterator[Way]:
        """Both hands level and face to face, one closing across, the other up and down, so that no finger meets another."""
        yield from self._pick({RIGHT: "cube"})
        across, upright = self._feet[RIGHT], self._feet[LEFT] @ matrix_from_euler(np.array([np.pi / 2, 0.0, 0.0]))
        back = self._feet[LEFT] @ np.array([-1.0, 0.0, 0.0])  # from the meeting towards the left foot
        yield Way({RIGHT: pose(across, MEETING), LEFT: pose(upright, MEETING + 0.12 * back)}, {LEFT: 1.0}, straight=False)
        yield Way({}, {}, 0.3)
        held = self._world.thing("cube")[:3, 3]
        yield Way({LEFT: pose(upright, held)}, {}, 1.0)
        yield Way({}, {LEFT: 0.0}, CLOSING)
        yield Way({}, {RIGHT: 1.0}, CLOSING)
        yield Way({RIGHT: pose(across, MEETING - 0.12 * back)}, {}, 1.0)
        yield Way({LEFT: pose(upright, held + 0.08 * back)}, {})
