"""What was done in a bag, as action chunks: the policy's own accepted chunks, or the motion that was measured."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import InputError
from vlaser_core.kinematics import Kinematics
from vlaser_core.processing.actions import deltas_between
from vlaser_ros.bags.reader import Bag
from vlaser_ros.joint_history import JointHistory, JointsMissing
from vlaser_ros.messages import to_seconds

CHUNK, VERDICT, STATE = "vlaser_msgs/msg/ActionChunk", "vlaser_msgs/msg/ChunkVerdict", "vlaser_msgs/msg/WorldState"
INSTRUCTION_TOPIC, TEXT = "/vlaser/instruction", "std_msgs/msg/String"  # the server's, latched; in any namespace


@dataclass(frozen=True)
class RecordedChunk:
    """actions (H, A), computed by the recorded policy from the view at `stamp` (s). age: s at the verdict. accepted: by the gate."""

    stamp: float
    actions: np.ndarray
    inference_s: float
    age: float | None
    accepted: bool


def recorded_chunks(bag: Bag, embodiment: Embodiment) -> list[RecordedChunk]:
    """Chunks with motion, in order; without a verdict in the bag a chunk counts as not accepted."""
    verdicts, chunks = {}, []
    topics = {topic.name for topic in bag.named(CHUNK, VERDICT)}
    for record in bag.read(topics):
        message = bag.decode(record)
        if record.type == VERDICT:
            verdicts[message.sequence] = message
        elif message.horizon and message.embodiment == embodiment.name:
            chunks.append(message)
    found = []
    for message in chunks:
        verdict = verdicts.get(message.sequence)
        actions = np.array(message.data, dtype=float).reshape(message.horizon, len(message.names))
        age, accepted = (verdict.age, verdict.accepted) if verdict is not None else (None, False)
        found.append(RecordedChunk(to_seconds(message.header.stamp), actions, message.inference_time, age, accepted))
    return found


class Instructions:
    """What the robot was told, by time. Empty where the bag does not say."""

    def __init__(self, bag: Bag) -> None:
        self._times: list[int] = []
        self._texts: list[str] = []
        told = {topic.name for topic in bag.named(TEXT) if topic.name.endswith(INSTRUCTION_TOPIC)}
        topics = told or {topic.name for topic in bag.named(STATE)}
        for record in bag.read(topics):
            message = bag.decode(record)
            text = message.data if record.type == TEXT else message.instruction
            if not self._texts or self._texts[-1] != text:
                self._times.append(record.time)
                self._texts.append(text)
        self.source = ", ".join(sorted(topics))

    def at(self, time: int) -> str:
        """The instruction that held at a receive time (ns); before the first one, that one."""
        return self._texts[max(0, bisect_right(self._times, time) - 1)] if self._texts else ""


def motion_of(bag: Bag, embodiment: Embodiment, topic: str, tolerance: float) -> Motion:
    """All joint states of a bag. Raises InputError when none of them holds the robot's joints."""
    history = JointHistory(embodiment, seconds=0.5, tolerance=tolerance)
    names = [*embodiment.joint_names, *(arm.gripper.joint for arm in embodiment.arms)]
    stamps, values, other = [], [], ""
    for record in bag.read({topic}):
        message = bag.decode(record)
        stamp = to_seconds(message.header.stamp)
        if not history.add(stamp, message.name, message.position):
            other = f"{list(message.name)}"
        elif not stamps or stamp > stamps[-1]:
            found = dict(zip(message.name, message.position, strict=True))
            stamps.append(stamp)
            values.append([found[name] for name in names])
    if not stamps:
        raise InputError(f"{bag.path}: joint states on {topic!r} name {other or 'nothing'}, embodiment {embodiment.name!r} needs {names}")
    return Motion(embodiment, np.array(stamps), np.array(values), tolerance)


class Motion:
    """Measured motion. stamps (n,) s, rising; values (n, joints + grippers), as the driver gives them."""

    def __init__(self, embodiment: Embodiment, stamps: np.ndarray, values: np.ndarray, tolerance: float) -> None:
        self.embodiment, self.stamps, self.values, self.tolerance = embodiment, stamps, values, tolerance
        self._kinematics = [Kinematics(arm) for arm in embodiment.arms]

    def at(self, stamp: float) -> np.ndarray:
        """Joints and grippers at a time between two samples. Raises JointsMissing where they are too far apart."""
        after = int(np.searchsorted(self.stamps, stamp))
        if after < len(self.stamps) and self.stamps[after] == stamp:
            return self.values[after]
        if not 0 < after < len(self.stamps) or self.stamps[after] - self.stamps[after - 1] > 2 * self.tolerance:
            raise JointsMissing("the joint states do not reach a chunk beyond it")
        share = (stamp - self.stamps[after - 1]) / (self.stamps[after] - self.stamps[after - 1])
        return self.values[after - 1] + (self.values[after] - self.values[after - 1]) * share

    def chunk(self, stamp: float) -> np.ndarray:
        """Actions (H, A) that lead from the posture at `stamp` through those of the next H steps.

        End-effector deltas: pose to next pose, and the gripper open (1) where its measured openness is above 0.5 at the
        step's end, as its commands are. Joint actions: the joints at the step's end, the openness as measured.
        Raises JointsMissing at gaps and at the end, InputError for a step longer than the contract allows (a reset scene).
        """
        robot, action = self.embodiment, self.embodiment.action
        values = np.array([self.at(stamp + step * action.dt) for step in range(action.horizon + 1)])
        joints, fingers = values[:, : len(robot.joint_names)], values[:, len(robot.joint_names) :]
        openness = np.clip([[arm.gripper.openness(finger) for arm, finger in zip(robot.arms, row, strict=True)] for row in fingers[1:]], 0.0, 1.0)
        motion, offset = [], 0
        for arm, kinematics in zip(robot.arms, self._kinematics, strict=True):
            own = joints[:, offset : offset + len(arm.joints)]
            offset += len(arm.joints)
            poses = np.array([kinematics.forward(row) for row in own])
            longest = float(np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1).max())
            if longest > robot.safety.max_step_translation:
                raise InputError("the arm moved further in a step than the contract allows")
            motion.append(own[1:] if action.kind == "joints" else deltas_between(poses))
        actions = np.empty((action.horizon, robot.action_dim))
        grippers = list(action.gripper_dims)
        actions[:, grippers] = openness if action.kind == "joints" else openness > 0.5
        actions[:, [dim for dim in range(robot.action_dim) if dim not in grippers]] = np.concatenate(motion, axis=1)
        return actions
