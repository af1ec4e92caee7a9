"""Records about robot data: what its pictures, states and actions say without anybody's guess.

Families: the gripper's state, what the gripper does within the next second, which way it moves next, and which of several
instructions an episode follows. Labels come from states and actions; other words are for label writers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.robot.adapt import is_gripper
from vlaser_core.data.robot.episode import Episode, RobotData
from vlaser_core.data.source import Damage, Sample, Unit
from vlaser_core.data.sources.base import Described, plain_settings, spread, unit_rng
from vlaser_core.data.sources.pictures import Sized, sized

OPEN, CLOSED = 0.8, 0.3
MOVED_M = 0.03
_STATE = ("Is the gripper open or closed?", "What is the state of the gripper?", "Is the robot's gripper open or closed now?")
_NEXT = (
    "Does the gripper open, close or stay as it is within the next second?",
    "What will the gripper do in the next second: open, close or stay?",
)
_MOVE = ("In the robot's frame, which way does the gripper move next: forward, backward, left, right, up or down?",)
_WHICH = ("Which instruction does the robot follow in these pictures?", "What is the robot told to do here?")
# By axis and sign in REP-103 axes; the data's base frame is taken to have them.
_WAYS = (("forward", "backward"), ("left", "right"), ("up", "down"))


@dataclass(frozen=True)
class _Moment:
    family: str
    category: str
    question: str
    answer: str


class RobotRecords(Described):
    """camera: through which; the first by name when empty. moments: pictures of an episode asked about. base_axes: the data's
    xyz are forward, left, up (needed for `next_motion`).
    """

    provenance = "robot state"

    def __init__(self, data: RobotData, camera: str = "", moments: int = 4, base_axes: bool = False, domain: str = "") -> None:
        self.data, self.camera, self.moments, self.base_axes = data, camera, moments, base_axes
        self.name, self.licence, self.get, self.domain = data.name, data.licence, data.get, domain or data.name

    @property
    def settings(self) -> dict[str, str | int | float | bool]:
        own = {"camera": self.camera, "moments": self.moments, "base_axes": self.base_axes}
        return own | {f"data.{name}": value for name, value in plain_settings(self.data).items() if name not in ("name", "licence", "get")}

    def units(self) -> Sequence[Unit]:
        return self.data.units()

    def read(self, unit: Unit, damage: Damage, seed: int) -> Iterator[Sample]:
        base = int(unit_rng(unit, seed).integers(1 << 32))
        told: list[str] = []
        for number, episode in enumerate(self.data.episodes(unit, damage)):
            rng = np.random.default_rng([base, number])
            try:
                yield from self._samples(episode, rng, told)
            except Damaged as error:
                damage.skip(f"{self.name} episode {episode.id} ({error})", error.reason)
            if episode.instruction and episode.instruction not in told:
                told = [*told[-50:], episode.instruction]  # of this unit alone, so that a unit's records are always the same

    def _samples(self, episode: Episode, rng: np.random.Generator, told: Sequence[str]) -> Iterator[Sample]:
        camera = self.camera or min(episode.cameras, default="")
        if camera not in episode.cameras:
            raise Damaged("camera missing", f"no {camera!r} among {sorted(episode.cameras)}")
        steps = sorted(int(step) for step in rng.choice(len(episode), min(self.moments, len(episode)), replace=False))
        ends = spread(len(episode), 4)
        others = [text for text in told if text != episode.instruction]
        needed = sorted({*steps, *(ends if episode.instruction and len(others) >= 3 else ())})
        pictures = {
            step: self._picture(frame, episode, camera, step) for step, frame in zip(needed, episode.frames(camera, needed), strict=True)
        }
        for step in steps:
            for moment in self._moments(episode, step, rng):
                yield self.sample(
                    f"{episode.id}.{step}.{moment.family}",
                    [pictures[step]],
                    [(moment.question, moment.answer)],
                    moment.category,
                    moment.family,
                )
        if episode.instruction and len(others) >= 3:
            choices = [episode.instruction, *(others[index] for index in rng.choice(len(others), 3, replace=False))]
            order = [int(index) for index in rng.permutation(4)]
            options = "\n".join(f"{letter}. {choices[index]}" for letter, index in zip("ABCD", order, strict=True))
            answer = f"{'ABCD'[order.index(0)]}. {choices[0]}"
            shown = [pictures[step] for step in ends]
            yield self.sample(f"{episode.id}.which", shown, [(f"{_WHICH[rng.integers(2)]}\n{options}", answer)], "qa", "which_instruction")

    def _picture(self, frame: np.ndarray, episode: Episode, camera: str, step: int) -> Sized:
        good, data = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])
        if not good:
            raise Damaged("picture cannot be encoded", f"{frame.shape}")
        return sized(data.tobytes(), f"{self.name}/{episode.id}/{camera}/{step:06d}.jpg")

    def _moments(self, episode: Episode, step: int, rng: np.random.Generator) -> Iterator[_Moment]:
        states = [dim for dim, name in enumerate(episode.proprio_names) if is_gripper(name)]
        if len(states) == 1:
            openness = float(episode.proprio[step, states[0]])
            openness = 1 - openness if "closed" in episode.proprio_names[states[0]] else openness
            if openness >= OPEN or openness <= CLOSED:
                yield _Moment("gripper_state", "qa", _STATE[rng.integers(len(_STATE))], "open" if openness >= OPEN else "closed")
        commands = [dim for dim, name in enumerate(episode.action_names) if is_gripper(name)]
        soon = episode.actions[step : step + max(round(episode.rate_hz), 1)]
        if len(commands) == 1 and step > 0 and len(soon) >= max(round(episode.rate_hz), 1):
            before, after = float(episode.actions[step - 1, commands[0]]), soon[:, commands[0]]
            changes = after[np.abs(after - before) > 0.5]
            answer = "it stays as it is" if not len(changes) else "it opens" if changes[0] > before else "it closes"
            yield _Moment("next_gripper", "planning", _NEXT[rng.integers(len(_NEXT))], answer)
        if self.base_axes and episode.action_names[:3] == ("dx", "dy", "dz") and len(soon) >= max(round(episode.rate_hz), 1):
            moved = soon[:, :3].sum(0)
            axis = int(np.argmax(np.abs(moved)))
            second = float(np.sort(np.abs(moved))[-2])
            if abs(moved[axis]) >= MOVED_M and abs(moved[axis]) >= 2 * second:
                yield _Moment("next_motion", "planning", _MOVE[0], _WAYS[axis][int(moved[axis] < 0)])
