"""The steps that remain of a pick-and-place task, in words; shared by questions about plans and about what is next."""

from __future__ import annotations

from vlaser_core.data.phrasing import Scene, point_text
from vlaser_core.data.truth import PHASES, ObjectTruth, SceneTruth
from vlaser_core.errors import InputError

# Which of the six steps a phase is in; descending and closing are one step to the eye.
_STEP_OF_PHASE = {"reach": 0, "descend": 1, "grasp": 1, "lift": 2, "carry": 3, "lower": 4, "release": 5}


def known_phase(truth: SceneTruth) -> str:
    """The phase. Raises InputError for one that is none of PHASES."""
    if truth.phase not in PHASES:
        raise InputError(f"unknown phase {truth.phase!r}; phases are {', '.join(PHASES)}")
    return truth.phase


def wrongly_held(truth: SceneTruth) -> ObjectTruth | None:
    """What the gripper holds and should not."""
    return next((thing for thing in truth.objects if thing.held and thing.name != truth.source), None)


def all_steps(scene: Scene, points: bool) -> list[str]:
    """The whole task from the beginning."""
    truth = scene.truth
    source, target = scene.name(truth.source), scene.name(truth.target)
    grasp = f" {point_text(truth.grasp_point)}" if points and truth.grasp_point is not None else ""
    release = f" {point_text(truth.release_point)}" if points and truth.release_point is not None else ""
    return [
        f"reach the {source}{grasp}",
        f"grasp the {source}",
        f"lift the {source}",
        f"move over the {target}{release}",
        f"lower the {source}",
        f"release the {source}",
    ]


def steps_left(scene: Scene, points: bool = True) -> list[str] | None:
    """The steps left. Empty when done; None without a task, where phase and success contradict each other, or where
    something else is in the gripper."""
    truth = scene.truth
    if not scene.has_task or wrongly_held(truth) is not None:
        return None
    if known_phase(truth) == "done":
        return [] if truth.success else None
    if truth.phase == "retreat":
        return ["move away"]
    return all_steps(scene, points)[_STEP_OF_PHASE[truth.phase] :]


def next_words(scene: Scene, points: bool) -> str | None:
    """The first of `steps_left`, empty when none is left, None where there is no saying."""
    steps = steps_left(scene, points)
    return None if steps is None else steps[0] if steps else ""


def numbered(steps: list[str]) -> str:
    return "\n".join(f"{number}. {step}" for number, step in enumerate(steps, start=1))
