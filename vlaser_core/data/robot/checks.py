"""Does this data belong to this robot? Asked before the first training step, answered in words a user can act on.

require(data, embodiment, damage)                 # raises InputError when the whole set is of another kind
for unit in data.units():
    for episode in suitable(data, unit, embodiment, damage):      # single misfits are counted and left out
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.robot.episode import Episode, RobotData
from vlaser_core.data.source import Damage, Unit
from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import InputError

RATE_TOLERANCE = 0.1
RANGE_SLACK = 0.25  # rad beyond a joint's range that calibration may account for
LARGEST_STEP_M = 0.5  # a Bridge or Fractal step stays far below it; millimetres do not
_PROBED = 8  # episodes looked at before training


@dataclass(frozen=True)
class Finding:
    """What does not fit. reason: short, without values, to count by; advice: what came, what was expected, what to do."""

    reason: str
    advice: str


def check_episode(episode: Episode, embodiment: Embodiment, pictures: bool = True) -> list[Finding]:
    """Everything about an episode that does not fit the robot. pictures: decode the first of each camera, too."""
    findings = [*_cameras(episode, embodiment, pictures), *_rate(episode, embodiment)]
    shapes = list(_dimensions(episode, embodiment))
    if not shapes:
        findings += [*_angles(episode, embodiment), *_translations(episode, embodiment), *_grippers(episode, embodiment)]
    return findings + shapes


def suitable(data: RobotData, unit: Unit, embodiment: Embodiment, damage: Damage, pictures: bool = True) -> Iterator[Episode]:
    """The unit's episodes that fit the robot; each other one is counted under its first finding."""
    for episode in data.episodes(unit, damage):
        findings = check_episode(episode, embodiment, pictures)
        if findings:
            damage.skip(f"{data.name} episode {episode.id}: {findings[0].advice}", findings[0].reason)
        else:
            yield episode


def require(data: RobotData, embodiment: Embodiment, damage: Damage) -> None:
    """Look at the first episodes. Raises InputError with every finding when none of them fits, or when there is none."""
    seen = 0
    findings: dict[str, Finding] = {}
    for episode in islice(_all(data, damage), _PROBED):
        found = check_episode(episode, embodiment)
        if not found:
            return
        seen += 1
        for finding in found:
            findings.setdefault(finding.reason, finding)
    if not seen:
        reasons = ", ".join(f"{count} {reason}" for reason, count in damage.counts.items()) or "it holds none"
        raise InputError(f"no usable episode in {data.name} ({reasons}); {data.get}")
    lines = "\n".join(f"  - {finding.reason}: {finding.advice}" for finding in findings.values())
    raise InputError(f"{data.name} is not data of {embodiment.name!r}; none of the first {seen} episodes fits:\n{lines}")


def _all(data: RobotData, damage: Damage) -> Iterator[Episode]:
    for unit in data.units():
        yield from data.episodes(unit, damage)


def _cameras(episode: Episode, embodiment: Embodiment, pictures: bool) -> Iterator[Finding]:
    for camera in embodiment.cameras:
        if camera.name not in episode.cameras:
            has = ", ".join(sorted(episode.cameras)) or "none"
            yield Finding(
                "camera missing", f"no camera {camera.name!r}; the episode has {has}. Map it: --cameras {camera.name}:=<its name>"
            )
        elif pictures:
            try:
                next(episode.frames(camera.name, [0]))
            except (Damaged, StopIteration) as error:
                yield Finding("camera without picture", f"the first picture of {camera.name!r} cannot be had: {error}")


def _rate(episode: Episode, embodiment: Embodiment) -> Iterator[Finding]:
    wanted = embodiment.action.rate_hz
    if abs(episode.rate_hz - wanted) > RATE_TOLERANCE * wanted:
        stride = round(episode.rate_hz / wanted)
        fits = stride > 1 and abs(episode.rate_hz / stride - wanted) <= RATE_TOLERANCE * wanted
        advice = f"keep every {stride}th step: --stride {stride}" if fits else "resample it, or train a contract with its rate_hz"
        yield Finding("another rate", f"recorded at {episode.rate_hz:g} Hz, {embodiment.name} acts at {wanted:g} Hz; {advice}")


def _dimensions(episode: Episode, embodiment: Embodiment) -> Iterator[Finding]:
    for what, names, wanted in (
        ("proprio", episode.proprio_names, embodiment.proprio.names),
        ("action", episode.action_names, embodiment.action.names),
    ):
        if len(names) != len(wanted):
            key = "proprio" if what == "proprio" else "actions"
            came = f"{len(names)} values ({', '.join(names)}), expected {len(wanted)} ({', '.join(wanted)})"
            yield Finding(f"{what} of another size", f"{came}; choose: --{key} <name> …")


def _proprio_roles(embodiment: Embodiment) -> tuple[list[int], list[int]]:
    """Dimensions of proprio that are angles, and those that are gripper openness."""
    if embodiment.proprio.kind == "joints":
        grippers, offset = [], -1
        for arm in embodiment.arms:
            offset += len(arm.joints) + 1
            grippers.append(offset)
        return [dim for dim in range(embodiment.proprio_dim) if dim not in grippers], grippers
    # A quaternion has no angles that could be degrees.
    return [] if embodiment.proprio.kind == "eef_pose_quaternion" else [3, 4, 5], [embodiment.proprio_dim - 1]


def _angles(episode: Episode, embodiment: Embodiment) -> Iterator[Finding]:
    angles, _ = _proprio_roles(embodiment)
    groups = [("proprio", episode.proprio, episode.proprio_names, angles)]
    if embodiment.action.kind == "joints":
        motion = [dim for dim in range(embodiment.action_dim) if dim not in embodiment.action.gripper_dims]
        groups.append(("action", episode.actions, episode.action_names, motion))
    else:
        groups.append(("action", episode.actions, episode.action_names, [3, 4, 5]))
    for what, values, names, dims in groups:
        if not dims:
            continue
        largest = np.abs(values[:, dims]).max(axis=0)
        worst = int(np.argmax(largest))
        if largest[worst] > 2 * np.pi + RANGE_SLACK:
            yield Finding(
                f"{what} in degrees",
                f"{names[dims[worst]]!r} reaches {largest[worst]:.1f}, expected radians (below 6.3). Convert: --degrees",
            )
            continue
        if what == "proprio" and embodiment.proprio.kind == "joints" or what == "action" and embodiment.action.kind == "joints":
            yield from _joint_ranges(what, values[:, dims], [names[dim] for dim in dims], embodiment)


def _joint_ranges(what: str, values: np.ndarray, names: list[str], embodiment: Embodiment) -> Iterator[Finding]:
    joints = [joint for arm in embodiment.arms for joint in arm.joints]
    if len(joints) != len(names):
        return
    for dim, joint in enumerate(joints):
        outside = (values[:, dim] < joint.lower - RANGE_SLACK) | (values[:, dim] > joint.upper + RANGE_SLACK)
        if outside.mean() > 0.01:
            low, high = values[:, dim].min(), values[:, dim].max()
            advice = f"{names[dim]!r} spans {low:.2f}…{high:.2f} rad, joint {joint.name!r} of {embodiment.name} has {joint.lower:.2f}…{joint.upper:.2f}"
            yield Finding(f"{what} outside the joints' ranges", f"{advice}; another robot, another zero or another order of joints?")
            return


def _translations(episode: Episode, embodiment: Embodiment) -> Iterator[Finding]:
    if embodiment.action.kind == "delta_eef_pose":
        largest = float(np.abs(episode.actions[:, :3]).max())
        if largest > LARGEST_STEP_M:
            hint = "are they millimetres, or absolute positions?"
            yield Finding(
                "steps too long", f"a step moves {largest:.2f} m, expected differences in metres below {LARGEST_STEP_M:g}; {hint}"
            )


def _grippers(episode: Episode, embodiment: Embodiment) -> Iterator[Finding]:
    states = _proprio_roles(embodiment)[1]
    good = True
    for what, values, dims, key in (
        ("proprio", episode.proprio, states, "--gripper-state"),
        ("action", episode.actions, embodiment.action.gripper_dims, "--gripper-action"),
    ):
        for dim in dims:
            low, high = float(values[:, dim].min()), float(values[:, dim].max())
            if low < -0.25 or high > 1.25:
                good = False
                guess = "-1 1" if high <= 1.25 else "0 100" if low > -5 and high <= 105 else "<closed> <open>"
                yield Finding(
                    f"{what} gripper is not openness", f"it spans {low:.2f}…{high:.2f}, expected 0 closed … 1 open. Convert: {key} {guess}"
                )
    if not good:
        return
    for state, command in zip(states, embodiment.action.gripper_dims, strict=False):
        # The state follows the command with a lag; at the best lag it must move the same way.
        sign = -1.0 if "closed" in embodiment.proprio.names[state] else 1.0
        agreement = _agreement(episode.actions[:, command], sign * episode.proprio[:, state])
        if agreement is not None and agreement < -0.6:
            came = f"commands and state of the gripper run against each other (correlation {agreement:.2f}); one of them is closedness"
            advice = f"{came}. Turn it: --gripper-state 1 0 or --gripper-action 1 0"
            yield Finding("gripper signs differ", advice)


def _agreement(commands: np.ndarray, states: np.ndarray) -> float | None:
    """Correlation of largest size over lags of 0…5 steps; None where either hardly moves or little is there to compare."""
    found = []
    for lag in range(min(6, len(commands) - 8)):
        one, two = commands[: len(commands) - lag], states[lag:]
        if min(one.std(), two.std()) > 0.1:
            found.append(float(np.corrcoef(one, two)[0, 1]))
    return max(found, key=abs) if found else None
