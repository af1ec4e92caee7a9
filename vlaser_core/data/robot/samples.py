"""Episodes as training samples: the view at step t, the chunk of actions t … t+H−1, and which of its steps are real.

    samples = collect([data], embodiment, damage)
    actions, valid = samples.chunks(rows, horizon=4)

Everything but the pictures is in memory (about 30 numbers a step); where a picture is to be found is `samples.parts`.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from vlaser_core.data.robot.checks import require, suitable
from vlaser_core.data.robot.episode import Episode, RobotData
from vlaser_core.data.source import Damage, Unit
from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import InputError
from vlaser_core.processing.normalization import Spread, Statistics
from vlaser_core.reasoning.prompts import policy_prompt


@dataclass(frozen=True)
class Part:
    """An episode's rows `first` … `first + steps` − 1. data: which of the sets; unit, episode: where it is found there."""

    data: int
    unit: str
    episode: str
    first: int
    steps: int


@dataclass(frozen=True)
class Samples:
    """N steps of many episodes, physical units: proprio (N, P), actions (N, A) float32; last (N,), the row of each one's
    episode's last step; wording (N,), which of `instructions` it was told.
    """

    proprio: np.ndarray
    actions: np.ndarray
    last: np.ndarray
    wording: np.ndarray
    instructions: tuple[str, ...]
    parts: tuple[Part, ...]

    def __len__(self) -> int:
        return len(self.actions)

    def chunks(self, rows: np.ndarray, horizon: int) -> tuple[np.ndarray, np.ndarray]:
        """Chunks (B, H, A) that begin at `rows` (B,), the last action repeated past an episode's end, and which steps are real (B, H)."""
        index = rows[:, None] + np.arange(horizon)
        return self.actions[np.minimum(index, self.last[rows][:, None])], index <= self.last[rows][:, None]

    def statistics(self) -> Statistics:
        """Exact percentiles of every step's state and action."""
        return Statistics(Spread.of(self.actions.astype(float)), Spread.of(self.proprio.astype(float)), len(self), len(self.parts))

    def digest(self) -> str:
        """Of all that is here: equal samples in equal order have an equal one."""
        whole = hashlib.sha256(json.dumps([self.instructions, [asdict(part) for part in self.parts]], ensure_ascii=False).encode())
        for array in (self.proprio, self.actions, self.last, self.wording):
            whole.update(np.ascontiguousarray(array).tobytes())
        return whole.hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Keep them, so that a run that goes on need not read every episode again."""
        partial = path.with_suffix(".part")
        about = json.dumps({"instructions": self.instructions, "parts": [asdict(part) for part in self.parts]}, ensure_ascii=False)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                arrays = {"proprio": self.proprio, "actions": self.actions, "last": self.last, "wording": self.wording}
                np.savez(file, **arrays, about=np.frombuffer(about.encode(), np.uint8))
            os.replace(partial, path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise InputError(f"cannot write {path}: {error.strerror}") from error

    @classmethod
    def load(cls, path: Path) -> Samples:
        """What `save` kept. Raises InputError for a damaged file."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                about = json.loads(arrays["about"].tobytes().decode())
                held = [arrays[name] for name in ("proprio", "actions", "last", "wording")]
            return cls(*held, tuple(about["instructions"]), tuple(Part(**part) for part in about["parts"]))
        except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
            raise InputError(f"cannot read {path}: {error}; remove it, and the episodes are read again") from error


def collect(sets: Sequence[RobotData], embodiment: Embodiment, damage: Damage, seed: int = 0) -> Samples:
    """Every step of every episode that fits the robot and was told something. An episode with several wordings is told one of
    them, drawn anew at each step. Raises InputError for a set none of whose first episodes fits, or that has none at all.
    """
    if not sets:
        raise InputError("no data to train on; name some, as in --data bag:recordings lerobot:datasets/so100")
    parts: list[Part] = []
    proprio, actions, wording = [], [], []
    numbers: dict[str, int] = {}
    first = 0
    for index, data in enumerate(sets):
        require(data, embodiment, damage)
        for unit in data.units():
            for episode in suitable(data, unit, embodiment, damage):
                told = _usable(episode, data, damage)
                if not told:
                    continue
                numbered = np.array([numbers.setdefault(text, len(numbers)) for text in told])
                draw = np.random.default_rng((seed, len(parts))).integers(len(told), size=len(episode))
                parts.append(Part(index, unit.key, episode.id, first, len(episode)))
                proprio.append(episode.proprio.astype(np.float32))
                actions.append(episode.actions.astype(np.float32))
                wording.append(numbered[draw].astype(np.int32))
                first += len(episode)
        if not parts or parts[-1].data != index:
            reasons = ", ".join(f"{count} {reason}" for reason, count in damage.counts.items())
            raise InputError(f"no usable episode in {data.name} ({reasons}); {data.get}")
    last = np.concatenate([np.full(part.steps, part.first + part.steps - 1) for part in parts])
    return Samples(np.concatenate(proprio), np.concatenate(actions), last, np.concatenate(wording), tuple(numbers), tuple(parts))


def _usable(episode: Episode, data: RobotData, damage: Damage) -> list[str]:
    """The episode's wordings that a policy can be told."""
    told = []
    for text in episode.instructions:
        try:
            policy_prompt(text, 1)
            told.append(text)
        except InputError as error:
            damage.skip(f"{data.name} episode {episode.id}: {error}", "instruction that cannot be told")
    if not episode.instructions:
        damage.skip(f"{data.name} episode {episode.id}: give one with --instruction", "no instruction")
    return told


def unit_of(data: RobotData, key: str) -> Unit:
    """A set's unit by its key. Raises InputError when it is there no more."""
    for unit in data.units():
        if unit.key == key:
            return unit
    raise InputError(f"{data.name} has no {key!r} any more; the data changed since this run began, so begin anew with another --out")
