"""Open-loop comparison: what a policy would have done, step by step, against what was done. numpy only.

As the original's validation (and open-pi-zero's) measures it: errors are taken between *normalised* actions, ±1 between
the 1st and 99th percentile of the training data, gripper openness as it is; a step counts as within a threshold when
all its dimensions are. L1 in physical units stands beside it. Open-loop numbers rank checkpoints; they are no success rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import InputError
from vlaser_core.processing.normalization import Statistics

THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.5)
PERCENTILES = (50, 90, 99)


@dataclass(frozen=True)
class OpenLoop:
    """Absolute errors (N, H, A), normalised and physical, of N chunks. names: of the A dimensions."""

    names: tuple[str, ...]
    normalised: np.ndarray
    physical: np.ndarray

    def l1(self) -> dict:
        """Means of the normalised errors: over all, per dimension, per step, and per step and dimension."""
        return _means(self.normalised, self.names)

    def physical_l1(self) -> dict:
        """The same in m, rad and openness; the mean over unlike units is left out."""
        means = _means(self.physical, self.names)
        return {"per_dim": means["per_dim"], "per_step_dim": means["per_step_dim"]}

    def within(self, threshold: float) -> dict:
        """Shares of steps whose normalised error is at most `threshold`: in all dimensions at once, then in each alone."""
        inside = self.normalised <= threshold
        steps = inside.all(axis=2)
        return {
            "all_dims": float(steps.mean()),
            "per_step": steps.mean(axis=0).tolist(),
            "per_dim": dict(zip(self.names, inside.mean(axis=(0, 1)).tolist(), strict=True)),
            "per_step_dim": inside.mean(axis=0).tolist(),
        }

    def to_json(self, thresholds: Sequence[float] = THRESHOLDS) -> dict:
        return {
            "units": "normalised",
            "chunks": len(self.normalised),
            "steps": int(self.normalised.shape[0] * self.normalised.shape[1]),
            "l1": self.l1(),
            "l1_physical": self.physical_l1(),
            "within": {str(threshold): self.within(threshold) for threshold in thresholds},
        }


def _means(errors: np.ndarray, names: tuple[str, ...]) -> dict:
    return {
        "mean": float(errors.mean()),
        "per_dim": dict(zip(names, errors.mean(axis=(0, 1)).tolist(), strict=True)),
        "per_step": errors.mean(axis=(0, 2)).tolist(),
        "per_step_dim": errors.mean(axis=0).tolist(),
    }


def compare(embodiment: Embodiment, statistics: Statistics, predicted: np.ndarray, recorded: np.ndarray) -> OpenLoop:
    """Errors between two sets of chunks (N, H, A) in physical units. statistics: those the policy was trained with.

    Raises InputError for no chunks, other shapes, or a value that is not finite.
    """
    predicted, recorded = np.asarray(predicted, dtype=float), np.asarray(recorded, dtype=float)
    expected = (embodiment.action.horizon, embodiment.action_dim)
    if predicted.shape != recorded.shape or predicted.ndim != 3 or predicted.shape[1:] != expected or not len(predicted):
        raise InputError(f"open-loop comparison takes two arrays of chunks (N ≥ 1, {expected[0]}, {expected[1]}), got {predicted.shape} and {recorded.shape}")
    if not (np.isfinite(predicted).all() and np.isfinite(recorded).all()):
        raise InputError("open-loop comparison takes finite actions")
    grippers = embodiment.action.gripper_dims
    normalised = np.abs(statistics.normalise_actions(predicted, grippers) - statistics.normalise_actions(recorded, grippers))
    return OpenLoop(embodiment.action.names, normalised, np.abs(predicted - recorded))


def percentiles(values: Sequence[float]) -> dict | None:
    """p50, p90, p99, mean, largest and the count; None for no values."""
    if not len(values):
        return None
    found = {f"p{level}": float(np.percentile(values, level)) for level in PERCENTILES}
    return {**found, "mean": float(np.mean(values)), "max": float(np.max(values)), "count": len(values)}
