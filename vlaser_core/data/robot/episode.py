"""An episode: what a robot was told, saw, felt and did, and what every reader of robot data offers.

for unit in data.units():
    for episode in data.episodes(unit, damage):
        chunks, real = action_chunks(episode.actions, horizon=4)
        for picture in episode.frames("image_0", range(len(episode))):
            ...
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import cv2
import numpy as np

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.source import Damage, Unit
from vlaser_core.errors import InputError
from vlaser_core.processing.normalization import Spread, Statistics

# Pictures of the given steps, in the given order, RGB uint8 (h, w, 3); raises Damaged where one cannot be had.
Frames = Callable[[Sequence[int]], Iterator[np.ndarray]]


@dataclass(frozen=True)
class Episode:
    """One trajectory of T steps, T ≥ 1.

    id: unique within its data set. instructions: wordings of the one task, the first is the usual one; empty for an unlabelled
    episode. proprio (T, P) and actions (T, A): as the robot's policy is to see them, units by `*_names` and `data_set`.
    times: (T,) seconds from the start. rate_hz: steps a second. cameras: name → pictures by step, read when asked for.
    success: None where the data set does not say.
    """

    id: str
    data_set: str
    instructions: tuple[str, ...]
    proprio: np.ndarray
    actions: np.ndarray
    proprio_names: tuple[str, ...]
    action_names: tuple[str, ...]
    rate_hz: float
    cameras: Mapping[str, Frames]
    success: bool | None = None
    times: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        for what, values, names in (("proprio", self.proprio, self.proprio_names), ("actions", self.actions, self.action_names)):
            if values.ndim != 2 or values.shape[1] != len(names) or len(values) != len(self.actions) or not len(values):
                raise Damaged(f"{what} of a wrong shape", f"{values.shape} for {len(self.actions)} steps of {len(names)} values")
            if not np.isfinite(values).all():
                step, dim = np.argwhere(~np.isfinite(values))[0]
                raise Damaged(f"{what} not finite", f"{names[dim]!r} of step {step} is {values[step, dim]}")
        if not self.rate_hz > 0:
            raise Damaged("no rate", f"rate_hz is {self.rate_hz}")
        if not len(self.times):
            object.__setattr__(self, "times", np.arange(len(self.actions)) / self.rate_hz)
        if len(self.times) != len(self.actions) or not (np.diff(self.times) > 0).all():
            raise Damaged("times do not rise", f"{len(self.times)} times for {len(self.actions)} steps")

    def __len__(self) -> int:
        return len(self.actions)

    @property
    def instruction(self) -> str:
        """The usual wording; empty for an unlabelled episode."""
        return self.instructions[0] if self.instructions else ""

    def frames(self, camera: str, steps: Sequence[int] | None = None) -> Iterator[np.ndarray]:
        """Pictures of a camera, all steps by default. Raises InputError for an unknown camera, Damaged for a bad picture."""
        if camera not in self.cameras:
            raise InputError(f"episode {self.id} of {self.data_set} has no camera {camera!r}; it has {sorted(self.cameras)}")
        return self.cameras[camera](range(len(self)) if steps is None else steps)


class RobotData(Protocol):
    """A data set of episodes in its publisher's own layout. get: a sentence on how a user obtains it and where it belongs."""

    name: str
    licence: str
    get: str

    def units(self) -> Sequence[Unit]:
        """Everything there is, in a fixed order. Raises InputError naming the missing file or folder and how to get it."""

    def episodes(self, unit: Unit, damage: Damage, only: Collection[str] | None = None) -> Iterator[Episode]:
        """The unit's episodes in a fixed order; a damaged one is counted with its reason and left out. only: those of these
        ids, the others passed over as cheaply as the layout allows.
        """


def action_chunks(actions: np.ndarray, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Chunks (T, H, A) that begin at each step of actions (T, A), the last action repeated past the end, and which of
    their steps are real (T, H) bool.
    """
    index = np.arange(len(actions))[:, None] + np.arange(horizon)
    return actions[np.minimum(index, len(actions) - 1)], index < len(actions)


def statistics_of(data: RobotData, damage: Damage, labelled_only: bool = False) -> Statistics:
    """Exact statistics over every episode. labelled_only: leave out episodes without an instruction.

    Raises InputError when there is no episode at all.
    """
    actions, proprio = [], []
    for unit in data.units():
        for episode in data.episodes(unit, damage):
            if labelled_only and not episode.instruction:
                continue
            actions.append(episode.actions)
            proprio.append(episode.proprio)
    if not actions:
        reasons = ", ".join(f"{count} {reason}" for reason, count in damage.counts.items()) or "it holds none"
        raise InputError(f"no usable episode in {data.name} ({reasons}); {data.get}")
    stacked = np.concatenate(actions)
    return Statistics(Spread.of(stacked), Spread.of(np.concatenate(proprio)), len(stacked), len(actions))


def decode_picture(data: bytes, where: str) -> np.ndarray:
    """An encoded picture as RGB uint8 (h, w, 3). Raises Damaged when it is none."""
    array = np.frombuffer(data, np.uint8)
    picture = cv2.imdecode(array, cv2.IMREAD_COLOR) if array.size else None
    if picture is None:
        raise Damaged("picture cannot be decoded", f"{where}: {array.size} bytes")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
