"""A data set's own names, units and rates turned into a robot's: what `checks` asks for is written down here.

so100 = Adapted(LeRobotDataset(root), Adaptation(cameras={"image_0": "observation.images.top"}, degrees=True, gripper_state=(0, 100)))
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.robot.episode import Episode, Frames, RobotData
from vlaser_core.data.source import Damage, Unit
from vlaser_core.errors import InputError


_TRANSLATIONS = ("dx", "dy", "dz")


@dataclass(frozen=True)
class Adaptation:
    """cameras: the robot's camera → the data set's; none given: all as they are. proprio, actions: names of the values to keep,
    in the robot's order; none given: all. degrees: angles are degrees; those values are every one but the gripper's.
    gripper_state, gripper_action: the values that mean (closed, open), None where they are openness already.
    stride: keep every k-th step, whose action is then that of the last step left out; for absolute actions only.
    instruction: what episodes were told that say nothing themselves. drop_idle: leave out steps in which nothing moves, such as
    those in which a policy was thinking: its copy would learn to stand still.
    """

    cameras: Mapping[str, str] = field(default_factory=dict)
    proprio: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    degrees: bool = False
    gripper_state: tuple[float, float] | None = None
    gripper_action: tuple[float, float] | None = None
    stride: int = 1
    instruction: str = ""
    drop_idle: bool = False

    def __post_init__(self) -> None:
        for name, ends in (("gripper_state", self.gripper_state), ("gripper_action", self.gripper_action)):
            if ends is not None and ends[0] == ends[1]:
                raise InputError(f"{name}: closed and open are both {ends[0]}; give the value of each")
        if self.stride < 1:
            raise InputError(f"stride: at least 1, got {self.stride}")

    def apply(self, episode: Episode) -> Episode:
        """The episode as the robot knows it. Raises Damaged naming a camera or value it lacks."""
        keep = np.arange(0, len(episode), self.stride)
        if self.drop_idle:
            keep = keep[moving(episode.actions[keep], episode.action_names)]
        last = np.minimum(keep + self.stride - 1, len(episode) - 1)
        proprio, proprio_names = _select(episode.proprio, episode.proprio_names, self.proprio, "proprio")
        actions, action_names = _select(episode.actions, episode.action_names, self.actions, "action")
        cameras = {}
        for name, theirs in (self.cameras or {name: name for name in episode.cameras}).items():
            if theirs not in episode.cameras:
                raise Damaged("camera missing", f"episode {episode.id} has no {theirs!r}; it has {sorted(episode.cameras)}")
            cameras[name] = _thinned(episode.cameras[theirs], keep) if len(keep) < len(episode) else episode.cameras[theirs]
        if self.stride > 1 and any(name in ("dx", "dy", "dz") for name in action_names):
            raise InputError(
                "stride: these actions are differences, which leaving steps out would lose; give a data set at the robot's rate"
            )
        return Episode(
            id=episode.id,
            data_set=episode.data_set,
            instructions=episode.instructions or ((self.instruction,) if self.instruction else ()),
            proprio=self._units(proprio[keep], proprio_names, self.gripper_state),
            actions=self._units(actions[last], action_names, self.gripper_action),
            proprio_names=proprio_names,
            action_names=action_names,
            rate_hz=episode.rate_hz / self.stride,
            cameras=cameras,
            success=episode.success,
            times=episode.times[keep],
        )

    def _units(self, values: np.ndarray, names: Sequence[str], gripper: tuple[float, float] | None) -> np.ndarray:
        values = values.copy()
        for dim, name in enumerate(names):
            if is_gripper(name):
                if gripper is not None:
                    values[:, dim] = (values[:, dim] - gripper[0]) / (gripper[1] - gripper[0])
            elif self.degrees:
                values[:, dim] = np.deg2rad(values[:, dim])
        return values


def moving(actions: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Which steps (T,) of actions (T, A) move anything: a difference beyond `noticeable`, a joint's way from the step before, or a
    gripper that is told something else than before. The first step counts as moving."""
    changes = np.abs(np.diff(actions, axis=0, prepend=actions[:1]))
    if any(name in _TRANSLATIONS for name in names):
        differences = [dim for dim, name in enumerate(names) if not is_gripper(name)]
        changes[:, differences] = np.abs(actions[:, differences])
    found = (changes > noticeable(names)).any(1)
    found[0] = True
    return found


def noticeable(names: Sequence[str]) -> np.ndarray:
    """What is a motion (A,) and not a sensor's noise: half a millimetre, 5 mrad, a twentieth of a gripper's way."""
    return np.array([0.05 if is_gripper(name) else 5e-4 if name in _TRANSLATIONS else 5e-3 for name in names])


def is_gripper(name: str) -> bool:
    """Whether a value of this name is a gripper's: `gripper`, `left_gripper.pos`, `gripper_closed`."""
    return "gripper" in name.lower()


def _select(values: np.ndarray, names: tuple[str, ...], wanted: tuple[str, ...], what: str) -> tuple[np.ndarray, tuple[str, ...]]:
    if not wanted:
        return values, names
    missing = [name for name in wanted if name not in names]
    if missing:
        raise Damaged(f"{what} value missing", f"no {', '.join(missing)} among {', '.join(names)}")
    return values[:, [names.index(name) for name in wanted]], wanted


def _thinned(frames: Frames, keep: np.ndarray) -> Frames:
    return lambda steps: frames([int(keep[step]) for step in steps])


class Adapted:
    """A data set seen through an adaptation."""

    def __init__(self, data: RobotData, adaptation: Adaptation) -> None:
        self.data, self.adaptation = data, adaptation
        self.name, self.licence, self.get = data.name, data.licence, data.get

    def units(self) -> Sequence[Unit]:
        return self.data.units()

    def episodes(self, unit: Unit, damage: Damage, only: Collection[str] | None = None) -> Iterator[Episode]:
        for episode in self.data.episodes(unit, damage, only):
            try:
                yield self.adaptation.apply(episode)
            except Damaged as error:
                damage.skip(f"{self.name} episode {episode.id} ({error})", error.reason)
