"""A scripted expert with the simulator's own knowledge: reach, grasp, lift, carry, lower, let go.

It drives through the same bridge and the same delta actions as a policy, one at a time, and so shows that conventions,
frames, signs and limits lead where they say. It knows tasks in which one thing is lifted, or goes onto or near another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np

from sim_bridge.simpler.link import SimulatorLink
from sim_bridge.simpler.suites import Episode
from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import InputError
from vlaser_core.geometry import euler_from_matrix, matrix_from_euler
from vlaser_core.types import ActionChunk, Observation

NEAR = 0.008  # m from where it means to be that count as there
GRASPED_WITHIN = 0.003  # m from the centre of what it closes on: a spoon held 5 mm above its middle slips out
ABOVE = 0.09  # m over the thing, before grasping and after letting go
CLEARANCE = 0.012  # m that a thing is let go above what it shall lie on
BESIDE = 0.05  # m between two things that shall be near each other
STUCK = 0.003  # m that an action should have led further
OPENED = 0.8  # openness at which a thing has been let go
PATIENCE = 20  # actions for one leg of the way; then the next begins, wherever the arm is


@dataclass(frozen=True)
class Hand:
    """approach: the tool's axis that points out of the hand; its fingers close along y. stride (m) and turn (rad): of one action at most.

    tilt: rad that the hand points outward from straight down; lift: m that a thing is lifted. The Google robot's wrist is at its limit
    (1.79 rad) before its hand points straight down, and so it is again high above the counter: it then stands still, whatever is asked.
    targets: whether the simulator adds a delta to the last target (else to where the tool is). close: actions that closing takes.
    sticky: whether a gripper command goes on for a while, so that one says neither open nor closed when nothing shall change.
    """

    approach: int
    stride: float
    turn: float
    tilt: float
    lift: float
    targets: bool
    close: int
    sticky: bool


HANDS = {"widowx": Hand(0, 0.03, 0.4, 0.0, 0.09, True, 3, False), "google_robot": Hand(2, 0.06, 0.3, 0.3, 0.05, False, 4, True)}


@dataclass(frozen=True)
class Truth:
    """Tool pose (4, 4), openness, and of each thing its pose (4, 4) and size along its own axes (3,), in the base link's frame, m."""

    tool: np.ndarray
    openness: float
    poses: dict[str, np.ndarray]
    sizes: dict[str, np.ndarray]

    @classmethod
    def of(cls, simulator: SimulatorLink) -> Truth:
        fields, arrays = simulator.ask("truth")
        poses, sizes = (dict(zip(fields["things"], arrays[name], strict=True)) for name in ("poses", "sizes"))
        return cls(arrays["eef"], float(arrays["openness"][0]), poses, sizes)

    def place(self, thing: str) -> np.ndarray:
        return self.poses[thing][:3, 3]

    def half(self, thing: str, direction: np.ndarray) -> float:
        """Half of a thing's extent (m) along a direction of the base frame, as it lies."""
        return float(np.abs(direction @ self.poses[thing][:3, :3]) @ self.sizes[thing]) / 2


UP = np.array([0.0, 0.0, 1.0])
Script = Generator[np.ndarray, Truth, Truth]


class Oracle:
    """For tasks with a thing to move. Raises InputError for any other when its episode begins."""

    def __init__(self, embodiment: Embodiment) -> None:
        self.embodiment, self._hand = embodiment, HANDS[embodiment.name]

    def begin(self, episode: Episode, simulator: SimulatorLink) -> None:
        truth = Truth.of(simulator)
        if not truth.poses or "drawer" in episode.env_id.lower():
            raise InputError(f"the oracle cannot do {episode.task}: it moves things, and opens no drawers")
        self._simulator, self._aim, self._beside = simulator, truth.tool.copy(), episode.task == "move_near"
        self._script = self._play(truth)
        self._first: np.ndarray | None = next(self._script)

    def __call__(self, observation: Observation, instruction: str, seed: int) -> ActionChunk:
        began = time.perf_counter()
        action = self._first if self._first is not None else self._script.send(Truth.of(self._simulator))
        self._first = None
        return ActionChunk(action[None], observation.stamp, self.embodiment.action.dt, time.perf_counter() - began)

    def _play(self, truth: Truth) -> Script:
        turned = hand_over(truth, self._hand)
        opened, closed = (0.5, 0.5) if self._hand.sticky else (1.0, 0.0)
        truth = yield from self._go(truth, lambda t: t.place("source") + ABOVE * UP, turned, opened)
        truth = yield from self._go(truth, lambda t: t.place("source"), turned, opened, GRASPED_WITHIN)
        for _ in range(self._hand.close):
            truth = yield self._act(truth, np.zeros(3), np.zeros(3), 0.0)
        lifted = truth.tool[:3, 3] + self._hand.lift * UP
        truth = yield from self._go(truth, lambda t: lifted, turned, closed)
        if "target" in truth.poses:
            to_tool, goal = truth.tool[:3, 3] - truth.place("source"), self._goal(truth)
            above = np.array([*(goal + to_tool)[:2], max(lifted[2], (goal + to_tool)[2])])
            truth = yield from self._go(truth, lambda t: above, turned, closed)
            truth = yield from self._go(truth, lambda t: goal + to_tool, turned, closed)
            for _ in range(PATIENCE):
                if truth.openness > OPENED:
                    break
                truth = yield self._act(truth, np.zeros(3), np.zeros(3), 1.0)
            leave, closed = truth.tool[:3, 3] + ABOVE * UP, opened
            truth = yield from self._go(truth, lambda t: leave, turned, opened)
        while True:
            truth = yield self._act(truth, np.zeros(3), np.zeros(3), closed)

    def _goal(self, truth: Truth) -> np.ndarray:
        """Where the source's centre shall be let go."""
        source, target = truth.place("source"), truth.place("target")
        if not self._beside:
            return target + (truth.half("target", UP) + truth.half("source", UP) + CLEARANCE) * UP
        away = (source - target) * [1.0, 1.0, 0.0]
        away /= np.linalg.norm(away)
        gap = truth.half("source", away) + truth.half("target", away) + BESIDE
        return np.array([*(target + gap * away)[:2], target[2] - truth.half("target", UP) + truth.half("source", UP) + CLEARANCE])

    def _go(self, truth: Truth, where: Callable[[Truth], np.ndarray], rotation: np.ndarray, openness: float, near: float = NEAR) -> Script:
        further, before, turning = np.zeros(3), np.full(3, np.inf), True
        for _ in range(PATIENCE):
            wanted, start = where(truth), self._from(truth)
            if not self._hand.targets and np.linalg.norm(truth.tool[:3, 3] - before) < STUCK:
                turning = not turning  # the simulator found no posture for both and did neither: place before direction
            turn = euler_from_matrix(rotation @ start[:3, :3].T) if turning else np.zeros(3)
            left = wanted - truth.tool[:3, 3]
            if np.linalg.norm(left) < near and np.linalg.norm(turn) < 0.1:
                break
            before = truth.tool[:3, 3].copy()
            way = wanted + further - start[:3, 3]
            if self._hand.targets and np.linalg.norm(way) < NEAR / 4:
                further = _shortened(further + 0.5 * left, 0.02)  # the servos sag under load
            truth = yield self._act(truth, _shortened(way, self._hand.stride), _shortened(turn, self._hand.turn), openness)
        return truth

    def _from(self, truth: Truth) -> np.ndarray:
        """The pose (4, 4) that the simulator will add a delta to."""
        return self._aim if self._hand.targets else truth.tool

    def _act(self, truth: Truth, way: np.ndarray, turn: np.ndarray, openness: float) -> np.ndarray:
        start, pivot, rotation = self._from(truth), truth.tool[:3, 3], matrix_from_euler(turn)
        aim = start.copy()
        # Where there is a target, the simulator turns it about the tool, not about itself.
        aim[:3, 3] = pivot + rotation @ (start[:3, 3] - pivot) + way
        aim[:3, :3] = rotation @ start[:3, :3]
        self._aim = aim
        return np.array([*way, *turn, openness])


def hand_over(truth: Truth, hand: Hand) -> np.ndarray:
    """Rotation (3, 3) of a hand that points down, its fingers across the source's slimmer side, turned as little as can be."""
    rotation, size = truth.poses["source"][:3, :3], truth.sizes["source"]
    level = [axis for axis in range(3) if abs(rotation[2, axis]) < 0.7]
    across = rotation[:, min(level, key=lambda axis: size[axis])] * [1.0, 1.0, 0.0]
    fingers = truth.tool[:3, 1] * [1.0, 1.0, 0.0]
    if abs(size[level[0]] - size[level[-1]]) < 0.1 * size[level].max():
        # As wide as it is long: any of the four sides will do.
        across = max((across, np.cross(UP, across)), key=lambda axis: abs(axis @ fingers))
    outward = truth.place("source") * [1.0, 1.0, 0.0]
    down = np.sin(hand.tilt) * outward / np.linalg.norm(outward) - np.cos(hand.tilt) * UP
    y = across - (across @ down) * down
    y *= (1.0 if across @ fingers >= 0 else -1.0) / np.linalg.norm(y)
    return np.stack([down, y, np.cross(down, y)], axis=1) if hand.approach == 0 else np.stack([np.cross(y, down), y, down], axis=1)


def _shortened(vector: np.ndarray, longest: float) -> np.ndarray:
    length = float(np.linalg.norm(vector))
    return vector * (longest / length) if length > longest else vector
