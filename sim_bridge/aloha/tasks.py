"""What can be done at the table: which things lie where, in whose words, and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass

from vlaser_core.errors import InputError


@dataclass(frozen=True)
class Thing:
    """A cube, or a plate (fixed). half: metres, half the cube's edge or the plate's radius; region: (x, y) low and high of the
    start in metres, base frame; yaw: rad, up to which it is turned."""

    name: str
    kind: str
    rgba: tuple[float, float, float, float]
    half: float
    region: tuple[tuple[float, float], tuple[float, float]]
    yaw: float = 0.6


@dataclass(frozen=True)
class Task:
    """seconds: how long an episode may take, about one and a half times what the expert needs."""

    name: str
    instruction: str
    things: tuple[Thing, ...]
    seconds: float


_RED, _BLUE, _WHITE = (0.80, 0.12, 0.10, 1.0), (0.12, 0.25, 0.75, 1.0), (0.88, 0.88, 0.90, 1.0)
_RIGHT, _LEFT = ((-0.10, -0.20), (0.10, -0.08)), ((-0.10, 0.08), (0.10, 0.20))

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("aloha_transfer_cube", "take the red cube with the right arm and hand it to the left arm", (Thing("cube", "cube", _RED, 0.02, _RIGHT),), 16.0),
        Task(
            "aloha_cube_on_plate",
            "put the red cube on the white plate",
            (Thing("cube", "cube", _RED, 0.02, ((-0.12, 0.10), (-0.02, 0.20))), Thing("plate", "plate", _WHITE, 0.06, ((0.08, 0.12), (0.16, 0.18)))),
            13.0,
        ),
        Task(
            "aloha_lift_both",
            "lift the blue cube with the left arm and the red cube with the right arm",
            (Thing("cube", "cube", _RED, 0.02, _RIGHT), Thing("other", "cube", _BLUE, 0.02, _LEFT)),
            8.0,
        ),
    )
}


def find_task(name: str) -> Task:
    """The task called `name`. Raises InputError naming the known ones."""
    if name not in TASKS:
        raise InputError(f"the Aloha table has no task {name!r}; it has {', '.join(TASKS)}")
    return TASKS[name]
