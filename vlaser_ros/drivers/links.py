"""One arm as a driver sees it, whatever speaks to its motors: names, joint states in, motion out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from sensor_msgs.msg import JointState

from vlaser_core.embodiment import Arm
from vlaser_core.errors import ConfigError, InputError
from vlaser_ros.drivers.inquiry import Inquiry


@dataclass(frozen=True)
class Names:
    """The robot's names of one arm's joints and finger, in the contract's order."""

    joints: tuple[str, ...]
    finger: str

    @classmethod
    def of(cls, arm: Arm, prefix: str, finger: str) -> Names:
        """The contract's names without `prefix`; `finger` as the robot calls it, empty: the contract's without prefix too.

        Raises ConfigError for a joint that does not begin with the prefix.
        """
        wrong = [joint.name for joint in arm.joints if not joint.name.startswith(prefix)]
        if wrong:
            raise ConfigError(f"joint_prefixes has {prefix!r} for arm {arm.name!r}, but its joints are called {wrong}")
        return cls(tuple(joint.name.removeprefix(prefix) for joint in arm.joints), finger or arm.gripper.joint.removeprefix(prefix))

    def read(self, message: JointState) -> np.ndarray:
        """Joints (rad) and finger (n + 1,) of a joint state. Raises InputError naming what is missing or not finite."""
        found = dict(zip(message.name, message.position, strict=False))
        wanted = [*self.joints, self.finger]
        missing = [name for name in wanted if name not in found]
        if missing:
            raise InputError(f"joint states name {list(message.name)} with {len(message.position)} positions; missing: {missing}")
        values = np.array([found[name] for name in wanted], dtype=float)
        if not np.isfinite(values).all():
            raise InputError(f"joint state of {[name for name, value in zip(wanted, values, strict=True) if not np.isfinite(value)]} is not finite")
        return values


class Link(Protocol):
    """One arm's way to its motors. Arrays (n + 1,) or (k, n + 1): joints (rad), then the finger in the contract's unit."""

    arm: Arm
    names: Names
    states_topic: str

    def checks(self) -> Inquiry:
        """What is asked before the first motion."""

    def health(self) -> Inquiry:
        """What is asked from time to time."""

    def play(self, times: np.ndarray, positions: np.ndarray) -> None:
        """A motion was accepted: points due at `times` (k,) s."""

    def hold(self, position: np.ndarray, now: float) -> None:
        """The motion ends here, at `now` (s)."""

    def tick(self, commanded: np.ndarray, measured: np.ndarray) -> None:
        """A servo instant while something was ever commanded."""


def absolute(robot_name: str, topic: str) -> str:
    """A topic of the robot's own namespace."""
    return "/" + "/".join(part.strip("/") for part in (robot_name, topic) if part.strip("/"))


def one_an_arm(name: str, values: Sequence[str], count: int) -> list[str]:
    """A parameter with one entry an arm. Raises ConfigError naming it."""
    if len(values) != count:
        raise ConfigError(f"parameter {name!r} has {len(values)} entries {list(values)}, the embodiment has {count} arms")
    return list(values)
