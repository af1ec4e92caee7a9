"""Percentile statistics of a robot's data, and the maps between physical units and the network's ±1. No torch.

    normalised = clip(2 (x − p01) / (p99 − p01 + 1e-8) − 1, −1, 1)         inverse: (a + 1) / 2 · (p99 − p01) + p01

Gripper actions are openness already and are left alone. The JSON schema is the one published with Bridge and Fractal:
`{"action": {mean, std, max, min, p99, p01}, "proprio": {…}, "num_transitions", "num_trajectories"}`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import CheckpointError, InputError

_FIELDS = ("mean", "std", "max", "min", "p99", "p01")


@dataclass(frozen=True)
class Spread:
    """How one vector is distributed over a data set: each (N,) in physical units."""

    mean: np.ndarray
    std: np.ndarray
    max: np.ndarray
    min: np.ndarray
    p99: np.ndarray
    p01: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> Spread:
        """Exact statistics of values (n, N). Raises InputError when there is nothing, or anything non-finite."""
        if values.ndim != 2 or not len(values):
            raise InputError(f"statistics need rows of values, got an array of shape {values.shape}")
        if not np.isfinite(values).all():
            raise InputError(f"statistics need finite values; row {int(np.argwhere(~np.isfinite(values))[0][0])} is not")
        p01, p99 = np.quantile(values, [0.01, 0.99], axis=0)
        return cls(values.mean(0), values.std(0), values.max(0), values.min(0), p99, p01)

    def normalise(self, values: np.ndarray) -> np.ndarray:
        """Physical units → ±1, clipped; last axis N."""
        return np.clip(2.0 * (values - self.p01) / (self.p99 - self.p01 + 1e-8) - 1.0, -1.0, 1.0)

    def denormalise(self, values: np.ndarray) -> np.ndarray:
        """±1 → physical units, unclipped; last axis N."""
        return (values + 1.0) / 2.0 * (self.p99 - self.p01) + self.p01


@dataclass(frozen=True)
class Statistics:
    """A robot's statistics, stored beside the weights trained with them."""

    action: Spread
    proprio: Spread
    num_transitions: int
    num_trajectories: int

    def normalise_proprio(self, proprio: np.ndarray) -> np.ndarray:
        return self.proprio.normalise(proprio)

    def normalise_actions(self, actions: np.ndarray, gripper_dims: tuple[int, ...]) -> np.ndarray:
        """Actions (…, A) → ±1, gripper openness untouched."""
        return _except(self.action.normalise(actions), actions, gripper_dims)

    def denormalise_actions(self, actions: np.ndarray, gripper_dims: tuple[int, ...]) -> np.ndarray:
        """±1 → actions (…, A) in physical units, gripper openness untouched."""
        return _except(self.action.denormalise(actions), actions, gripper_dims)

    def check(self, embodiment: Embodiment, where: str) -> None:
        """Raises CheckpointError when these are another robot's: dimensions, or a range no action of this robot has."""
        for name, spread, expected in (
            ("action", self.action, embodiment.action_dim),
            ("proprio", self.proprio, embodiment.proprio_dim),
        ):
            if len(spread.p01) != expected:
                raise CheckpointError(f"{where}: {name} statistics have {len(spread.p01)} values, embodiment {embodiment.name!r} has {expected}")
            if (spread.p99 < spread.p01).any():
                raise CheckpointError(f"{where}: {name} p99 is below p01 in dimension {int(np.argmax(spread.p99 < spread.p01))}")
        for dim in embodiment.action.gripper_dims:
            if self.action.p01[dim] < -0.1 or self.action.p99[dim] > 1.1:
                raise CheckpointError(f"{where}: gripper action {dim} spans {self.action.p01[dim]:.2f}…{self.action.p99[dim]:.2f}, expected openness 0…1")


def _except(changed: np.ndarray, original: np.ndarray, dims: tuple[int, ...]) -> np.ndarray:
    changed = changed.copy()
    for dim in dims:
        changed[..., dim] = original[..., dim]
    return changed


def load_statistics(path: Path) -> Statistics:
    """Statistics from JSON. Raises CheckpointError naming the missing or malformed field."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        spreads = {}
        for part in ("action", "proprio"):
            arrays = {field: np.asarray(content[part][field], dtype=float) for field in _FIELDS}
            if len({array.shape for array in arrays.values()}) != 1 or arrays["p01"].ndim != 1:
                raise CheckpointError(f"{path}: the fields of {part!r} differ in length")
            if not all(np.isfinite(array).all() for array in arrays.values()):
                raise CheckpointError(f"{path}: {part!r} holds values that are not finite")
            spreads[part] = Spread(**arrays)
        return Statistics(spreads["action"], spreads["proprio"], int(content["num_transitions"]), int(content["num_trajectories"]))
    except (OSError, json.JSONDecodeError, TypeError, ValueError) as error:
        raise CheckpointError(f"cannot read statistics {path}: {error}") from error
    except KeyError as error:
        raise CheckpointError(f"{path} lacks the field {error}; expected action and proprio with {', '.join(_FIELDS)}") from error


def save_statistics(statistics: Statistics, path: Path) -> None:
    """Write the JSON that `load_statistics` reads."""
    content = {
        part: {field: getattr(getattr(statistics, part), field).tolist() for field in _FIELDS} for part in ("action", "proprio")
    }
    content |= {"num_transitions": statistics.num_transitions, "num_trajectories": statistics.num_trajectories}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
