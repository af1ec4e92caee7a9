"""The four Bridge tasks: which object goes where, in whose words, and what counts as done."""

from __future__ import annotations

from dataclasses import dataclass

from vlaser_core.errors import InputError


@dataclass(frozen=True)
class Task:
    """One pick-and-place task.

    max_steps: policy steps an episode may take (twice what the expert needs). success_radius: metres between the
    centres of source and target, horizontally. place_height: metres of the source's centre above the table when it
    lies on the target, and height_tolerance around it. release_height: where the expert opens the fingers (source's
    centre). release_radius: horizontal error (m) within which it does. min_distance: metres between the two starts.
    """

    name: str
    instruction: str
    source: str
    target: str
    max_steps: int
    success_radius: float
    place_height: float
    height_tolerance: float
    release_height: float
    release_radius: float
    min_distance: float


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("widowx_spoon_on_towel", "put the spoon on the towel", "spoon", "towel", 80, 0.05, 0.014, 0.012, 0.020, 0.012, 0.13),
        Task("widowx_carrot_on_plate", "put carrot on plate", "carrot", "plate", 80, 0.045, 0.021, 0.013, 0.028, 0.012, 0.13),
        Task("widowx_stack_cube", "stack the green block on the yellow block", "green_block", "yellow_block", 80, 0.02, 0.06, 0.008, 0.064, 0.006, 0.09),
        Task("widowx_put_eggplant_in_basket", "put eggplant into yellow basket", "eggplant", "basket", 120, 0.055, 0.0255, 0.02, 0.062, 0.014, 0.15),
    )
}


def find_task(name: str) -> Task:
    """The task called `name`. Raises InputError naming the known ones."""
    if name not in TASKS:
        raise InputError(f"the tabletop has no task {name!r}; it has {', '.join(TASKS)}")
    return TASKS[name]
