"""A policy over a recorded episode: at each view, its chunk against what was done from there on.

Against `chunks`: the actions of the chunks that the gate accepted while recording, at exactly their views. Against
`motion`: the motion that the joint states show, at every stride-th picture. `auto` takes chunks where there are any.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from vlaser_core.data.robot.adapt import noticeable
from vlaser_core.embodiment import Embodiment, replace
from vlaser_core.errors import InputError
from vlaser_core.evaluate.open_loop import OpenLoop, compare, percentiles
from vlaser_ros.bags.reader import Bag
from vlaser_ros.bags.recorded import Instructions, Motion, RecordedChunk, motion_of, recorded_chunks
from vlaser_ros.bags.sources import Sources
from vlaser_ros.bags.views import JOINTS_TOLERANCE, SYNC_TOLERANCE, BagViews, Seen
from vlaser_ros.joint_history import JointsMissing

Against = Literal["auto", "chunks", "motion"]
SAME_VIEW = 1e-3  # s between a chunk's stamp and its picture's
STILLS = 12  # pictures kept for the page, at most


@dataclass(frozen=True)
class Options:
    """instruction: empty: what the bag says. stride: of the pictures (motion) or chunks. limit: chunks, 0: all. seed: of the first noise.
    drop_idle: leave out pictures after which the arm stood still for a step (motion)."""

    instruction: str = ""
    against: Against = "auto"
    stride: int = 1
    limit: int = 0
    seed: int = 0
    max_age: float | None = None
    drop_idle: bool = False
    sync_tolerance: float = SYNC_TOLERANCE
    joints_tolerance: float = JOINTS_TOLERANCE


@dataclass
class Outcome:
    """predicted, recorded, held (N, H, A): the policy, what was done, and a robot that stays as it is. times in s."""

    sources: Sources
    against: str
    stamps: list[float] = field(default_factory=list)
    predicted: list[np.ndarray] = field(default_factory=list)
    recorded: list[np.ndarray] = field(default_factory=list)
    held: list[np.ndarray] = field(default_factory=list)
    joints: list[np.ndarray] = field(default_factory=list)
    inference_s: list[float] = field(default_factory=list)
    view_age_s: list[float] = field(default_factory=list)
    recorded_inference_s: list[float] = field(default_factory=list)
    recorded_chunk_age_s: list[float] = field(default_factory=list)
    instructions: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    stills: list[tuple[int, np.ndarray]] = field(default_factory=list)
    frames: int = 0
    seconds: float = 0.0

    def errors(self, statistics) -> tuple[OpenLoop, OpenLoop]:
        """Of the policy, and of a robot that holds still. Raises InputError when nothing was compared, saying why."""
        if not self.predicted:
            reasons = "; ".join(f"{count} × {reason}" for reason, count in self.missed.most_common(3)) or "the bag has no picture with joint states"
            raise InputError(f"nothing could be compared: {reasons}")
        recorded = np.array(self.recorded)
        robot = self.sources.embodiment
        return compare(robot, statistics, np.array(self.predicted), recorded), compare(robot, statistics, np.array(self.held), recorded)

    def timings(self) -> dict:
        return {
            "inference_s": percentiles(self.inference_s),
            "view_age_s": percentiles(self.view_age_s),
            "recorded_inference_s": percentiles(self.recorded_inference_s),
            "recorded_chunk_age_s": percentiles(self.recorded_chunk_age_s),
        }


def open_loop(bag: Bag, engine, sources: Sources, options: Options, progress: Callable[[int, int], None] = lambda done, total: None) -> Outcome:
    """Run `engine` over the bag. progress: chunks done, and of how many (0: not known).

    Raises InputError for another robot's policy, a bag without what is asked for, or no instruction.
    """
    sources = replace_robot(sources, engine.embodiment)
    robot = sources.embodiment
    chunks = [chunk for chunk in recorded_chunks(bag, robot) if chunk.accepted and chunk.actions.shape == (robot.action.horizon, robot.action_dim)]
    if options.against == "chunks" and not chunks:
        raise InputError(f"{bag.path} holds no accepted action chunk of {robot.name!r}; use --against motion")
    if options.drop_idle and chunks and options.against != "motion":
        raise InputError("accepted chunks are compared where the policy looked, which was never idle; --drop-idle is for --against motion")
    by_chunks = bool(chunks) and options.against != "motion"
    instructions = Instructions(bag)
    if not options.instruction and not instructions.source:
        raise InputError(f"{bag.path} does not say what the robot was told; give --instruction")
    outcome = Outcome(sources, "chunks" if by_chunks else "motion", seconds=bag.seconds)
    motion = None if by_chunks else motion_of(bag, robot, sources.joints, options.joints_tolerance)
    task = _AgainstChunks(chunks, options) if motion is None else _AgainstMotion(motion, options, robot)
    tolerances = {"sync_tolerance": options.sync_tolerance, "joints_tolerance": options.joints_tolerance}
    views = BagViews(bag, sources, max_age=options.max_age, wanted=task.wanted, **tolerances)
    every = 1
    for seen in views:
        try:
            done = task.recorded(seen, outcome)
        except (JointsMissing, InputError) as error:
            outcome.missed[str(error)] += 1
            continue
        text = options.instruction or instructions.at(seen.time)
        chunk = engine.predict(seen.view.observation, text, seed=options.seed + len(outcome.stamps))
        every = _keep(outcome, seen, every)
        outcome.stamps.append(seen.view.stamp)
        outcome.predicted.append(chunk.actions)
        outcome.recorded.append(done)
        outcome.held.append(_still(robot, seen))
        outcome.joints.append(seen.joints)
        outcome.inference_s.append(chunk.inference_s)
        outcome.view_age_s.append(seen.age)
        outcome.instructions[text] += 1
        progress(len(outcome.stamps), task.total)
        if options.limit and len(outcome.stamps) >= options.limit:
            break
    outcome.missed.update(views.missed)
    outcome.frames = views.frames
    return outcome


def replace_robot(sources: Sources, robot: Embodiment) -> Sources:
    """The same topics with the checkpoint's own copy of the contract, as a server has it. Raises InputError for another robot."""
    if robot.name != sources.embodiment.name:
        raise InputError(f"the checkpoint is for embodiment {robot.name!r}, the bag is of {sources.embodiment.name!r} ({sources.embodied_by})")
    if [camera.name for camera in robot.cameras] != list(sources.images):
        raise InputError(f"the checkpoint looks through {[camera.name for camera in robot.cameras]}, the bag's contract has {list(sources.images)}")
    return Sources(replace(robot), sources.images, sources.joints, sources.embodied_by)


class _AgainstChunks:
    def __init__(self, chunks: list[RecordedChunk], options: Options) -> None:
        self._chunks = sorted(chunks, key=lambda chunk: chunk.stamp)[:: options.stride]
        self._stamps = [chunk.stamp for chunk in self._chunks]
        self.total = min(len(self._chunks), options.limit or len(self._chunks))

    def _of(self, stamp: float) -> RecordedChunk | None:
        index = bisect_left(self._stamps, stamp - SAME_VIEW)
        return self._chunks[index] if index < len(self._chunks) and abs(self._stamps[index] - stamp) < SAME_VIEW else None

    def wanted(self, stamp: float) -> bool:
        return self._of(stamp) is not None

    def recorded(self, seen: Seen, outcome: Outcome) -> np.ndarray:
        chunk = self._of(seen.view.stamp)
        outcome.recorded_inference_s.append(chunk.inference_s)
        if chunk.age is not None:
            outcome.recorded_chunk_age_s.append(chunk.age)
        return chunk.actions


class _AgainstMotion:
    def __init__(self, motion: Motion, options: Options, robot: Embodiment) -> None:
        self._motion, self._stride, self._count = motion, options.stride, -1
        self._drop_idle, self._robot = options.drop_idle, robot
        self.total = options.limit

    def wanted(self, stamp: float) -> bool:
        self._count += 1
        return self._count % self._stride == 0

    def recorded(self, seen: Seen, outcome: Outcome) -> np.ndarray:
        chunk = self._motion.chunk(seen.view.stamp)
        if self._drop_idle and (np.abs(chunk - _still(self._robot, seen))[0] <= noticeable(self._robot.action.names)).all():
            raise InputError("the arm stood still")
        return chunk


def _still(robot: Embodiment, seen: Seen) -> np.ndarray:
    """The chunk (H, A) that leaves everything as it is at a view."""
    grippers = list(robot.action.gripper_dims)
    still = np.zeros((robot.action.horizon, robot.action_dim))
    if robot.action.kind == "joints":
        still[:, [dim for dim in range(robot.action_dim) if dim not in grippers]] = seen.joints
        still[:, grippers] = np.clip(seen.openness, 0.0, 1.0)
    else:
        still[:, grippers] = seen.openness > 0.5
    return still


def _keep(outcome: Outcome, seen: Seen, every: int) -> int:
    """Keep at most STILLS evenly spaced pictures of an episode whose length is not known; returns the spacing."""
    index = len(outcome.stamps)
    if index % every == 0:
        outcome.stills.append((index, next(iter(seen.view.observation.images.values()))))
        if len(outcome.stills) > STILLS:
            every *= 2
            outcome.stills = [still for still in outcome.stills if still[0] % every == 0]
    return every
