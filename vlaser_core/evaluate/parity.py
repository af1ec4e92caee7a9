"""Does this code compute what upstream's does? Reference vectors in, one report out.

    report = parity(Path("parity"))
    report.ok, report.groups()["vla_a448_b1 inference"]

A directory of reference vectors holds `misc_vla.json`, `misc_text.json`, and any number of cases: tiny random models with
their inputs and outputs (`parity_cases`); statistics and InternVL3's tokenizer lie beside it (`../statistics`,
`../internvl3_tokenizer`). What a group needs and does not find is named in the report as skipped, never counted as passed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from vlaser_core.errors import InputError

HIDDEN, ACTION = 2e-5, 1e-5  # absolute tolerances in float32: hidden states; velocities, actions and maps of units


@dataclass(frozen=True)
class Check:
    """One comparison. error: the largest absolute difference, or for exact checks the number of differing elements."""

    group: str
    name: str
    error: float
    tolerance: float

    @property
    def ok(self) -> bool:
        return self.error <= self.tolerance  # false for NaN


@dataclass(frozen=True)
class Skipped:
    """A group that could not be checked, and what it lacks; or a part of one that nothing was compared with."""

    group: str
    reason: str


@dataclass(frozen=True)
class GroupResult:
    """checks: how many; failed: names; largest: the largest error of checks with a tolerance; exact: of those without."""

    checks: int
    failed: tuple[str, ...]
    largest: float
    exact: int


@dataclass(frozen=True)
class Report:
    """All checks of a run."""

    checks: tuple[Check, ...]
    skipped: tuple[Skipped, ...]

    @property
    def ok(self) -> bool:
        """True when something was checked and everything checked agrees."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    def groups(self) -> dict[str, GroupResult]:
        result = {}
        for group in dict.fromkeys(check.group for check in self.checks):
            checks = [check for check in self.checks if check.group == group]
            measured = [check.error for check in checks if check.tolerance > 0]
            result[group] = GroupResult(
                checks=len(checks),
                failed=tuple(check.name for check in checks if not check.ok),
                largest=float(np.max(measured)) if measured else 0.0,
                exact=len(checks) - len(measured),
            )
        return result

    def to_json(self) -> dict:
        return {
            "ok": self.ok,
            "groups": {name: {**asdict(group), "largest": _number(group.largest)} for name, group in self.groups().items()},
            "failed": [{**asdict(check), "error": _number(check.error)} for check in self.checks if not check.ok],
            "skipped": [asdict(group) for group in self.skipped],
        }


def _number(value: float) -> float | str:
    """JSON has no word for what is infinite (another shape) or no number."""
    return value if math.isfinite(value) else str(value)


class Missing(Exception):
    """Raised by a group that lacks one of its files; becomes a `Skipped`."""


def need(path: Path) -> Path:
    """`path`, if it exists; else the group is skipped with its name."""
    if not path.exists():
        raise Missing(f"{path.name} is absent")
    return path


def _array(values: object) -> np.ndarray:
    detach = getattr(values, "detach", None)
    return np.asarray(values if detach is None else detach().float().cpu().numpy(), dtype=np.float64)


def close(group: str, name: str, ours: object, reference: object, tolerance: float) -> Check:
    """Arrays, lists or tensors, compared element by element. A different shape is an infinite error."""
    a, b = _array(ours), _array(reference)
    error = float("inf") if a.shape != b.shape else float(np.abs(a - b).max(initial=0.0))
    return Check(group, name, error, tolerance)


def same(group: str, name: str, ours: Iterable, reference: Iterable) -> Check:
    """Sequences (text among them) that must be equal: the error counts the elements that differ."""
    a, b = list(ours), list(reference)
    return Check(group, name, float(abs(len(a) - len(b)) + sum(x != y for x, y in zip(a, b, strict=False))), 0.0)


Group = Callable[[Path], Iterator[Check | Skipped]]


def core_groups() -> dict[str, Group]:
    """The groups that concern this package; simulator bridges bring their own."""
    from vlaser_core.evaluate.parity_chat import chat_checks
    from vlaser_core.evaluate.parity_numbers import number_checks
    from vlaser_core.evaluate.parity_policy import policy_checks
    from vlaser_core.evaluate.parity_text import text_checks

    return {"numbers": number_checks, "text": text_checks, "policy": policy_checks, "chat": chat_checks}


def parity(directory: Path | str, groups: Mapping[str, Group] | None = None) -> Report:
    """Compare with every reference found in `directory`; by default all of `core_groups`.

    Raises InputError when the directory does not exist or holds nothing that any group knows.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise InputError(f"there is no directory of reference vectors at {directory}")
    checks: list[Check] = []
    skipped: list[Skipped] = []
    for name, group in (core_groups() if groups is None else groups).items():
        try:
            for result in group(directory):
                (checks if isinstance(result, Check) else skipped).append(result)
        except Missing as missing:
            skipped.append(Skipped(name, str(missing)))
    if not checks:
        raise InputError(f"{directory} holds no reference vectors: {'; '.join(f'{group.group}: {group.reason}' for group in skipped)}")
    return Report(tuple(checks), tuple(skipped))
