"""All families by name and category, and a conversation drawn from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from vlaser_core.data.families import grounding, planning, qa, space, spatial
from vlaser_core.data.phrasing import Scene, Turn
from vlaser_core.data.truth import SceneTruth
from vlaser_core.errors import InputError

Family = Callable[[Scene, np.random.Generator], "Turn | None"]

_BY_CATEGORY: dict[str, tuple[Family, ...]] = {
    "grounding": (
        grounding.ground_box, grounding.ground_point, grounding.ground_sentence, grounding.ground_json, grounding.ground_kind,
        grounding.ground_colour, grounding.ground_extreme, grounding.ground_choice, grounding.gripper_point, grounding.affordance,
        grounding.grasp_point, grounding.placement, space.free_space, space.free_beside,
    ),
    "qa": (
        qa.presence, qa.presence_located, qa.colour, qa.colour_choice, qa.is_colour, qa.name_at, qa.name_choice, qa.objects, qa.count,
        qa.occluded, qa.rests_on, qa.gripper_state, qa.gripper_height, qa.holding, qa.phase, qa.done, qa.next_action, qa.outcome, qa.fault,
    ),
    "spatial": (
        spatial.spatial_image, spatial.relation_choice, spatial.spatial_robot, spatial.nearest, spatial.nearest_camera, spatial.closest_to,
        spatial.distance, spatial.between, spatial.order, spatial.extreme, spatial.region, spatial.taller, spatial.on_top, spatial.reachable,
        spatial.gripper_side, spatial.gripper_distance,
    ),
    "planning": (
        planning.plan, planning.next_step, planning.steps_count, planning.step_choice, planning.step_done, planning.task_object,
        planning.feasible, planning.obstacle, planning.tidy, planning.recovery,
    ),
}  # fmt: skip

FAMILIES: dict[str, Family] = {family.__name__: family for families in _BY_CATEGORY.values() for family in families}
CATEGORY: dict[str, str] = {family.__name__: category for category, families in _BY_CATEGORY.items() for family in families}
"""Which of a record's categories each family belongs to."""


def conversation(truth: SceneTruth, rng: np.random.Generator, turns: int = 4, families: Sequence[str] | None = None) -> list[Turn]:
    """Up to `turns` questions of different families about one picture, drawn without replacement.

    families: names to draw from, all of FAMILIES by default; a name given twice is twice as likely and may come twice.
    Fewer turns come back where fewer families apply. Raises InputError for an unknown family.
    """
    names = list(FAMILIES if families is None else families)
    unknown = sorted(set(names) - set(FAMILIES))
    if unknown:
        raise InputError(f"unknown question families {', '.join(unknown)}; known: {', '.join(FAMILIES)}")
    scene = Scene(truth)
    asked: list[Turn] = []
    for index in rng.permutation(len(names)):
        if len(asked) == turns:
            break
        turn = FAMILIES[names[index]](scene, rng)
        if turn is not None and all(turn.question != before.question for before in asked):
            asked.append(turn)
    return asked
