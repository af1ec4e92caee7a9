"""What to do and in which order: steps, single steps, what is in the way, several things at once, and mending failures."""

from __future__ import annotations

import numpy as np

from vlaser_core.data.families.ordering import in_order
from vlaser_core.data.families.qa import OPEN_ABOVE
from vlaser_core.data.families.steps import all_steps, known_phase, next_words, numbered, steps_left, wrongly_held
from vlaser_core.data.phrasing import SELDOM, Scene, Turn, ask, box_text, choice, instruction, list_text, point_text
from vlaser_core.data.truth import SURFACE
from vlaser_core.data.vocabulary import NOUNS, RECEIVERS
from vlaser_core.reasoning.parse import TASK_DONE

# What several things may be gathered in or on.
GATHER = {kind: RECEIVERS[kind] for kind in ("basket", "towel", "tray", "crate")}


def plan(scene: Scene, rng: np.random.Generator) -> Turn | None:
    steps = steps_left(scene)
    return None if steps is None else Turn("plan", ask("plan", rng, goal=scene.goal(rng)), numbered(steps) or TASK_DONE)


def next_step(scene: Scene, rng: np.random.Generator) -> Turn | None:
    words = next_words(scene, points=True)
    return None if words is None else Turn("next_step", ask("next_step", rng, goal=scene.goal(rng)), words or TASK_DONE)


def steps_count(scene: Scene, rng: np.random.Generator) -> Turn | None:
    steps = steps_left(scene, points=False)
    if steps is None or steps == ["move away"]:
        return None
    return Turn("steps_count", ask("steps_left", rng, goal=scene.goal(rng)), str(len(steps)))


def step_choice(scene: Scene, rng: np.random.Generator) -> Turn | None:
    steps = steps_left(scene, points=False)
    if steps is None:
        return None
    right = steps[0] if steps else "nothing, it is done"
    wrong = [step for step in (*all_steps(scene, points=False), "nothing, it is done") if step != right]
    if right == "move away":
        wrong = [step for step in wrong if not step.startswith("nothing")]  # the task itself is done
    options = choice(right, [wrong[index] for index in rng.permutation(len(wrong))], rng)
    return None if options is None else Turn("step_choice", ask("step_choice", rng, goal=scene.goal(rng), options=options[0]), options[1])


def step_done(scene: Scene, rng: np.random.Generator) -> Turn | None:
    left = steps_left(scene, points=False)
    if left is None or not scene.truth.robot:
        return None
    every = all_steps(scene, points=False)
    step = every[rng.integers(len(every))]
    return Turn("step_done", ask("step_done", rng, goal=scene.goal(rng), step=step), "no" if step in left else "yes")


def task_object(scene: Scene, rng: np.random.Generator) -> Turn | None:
    """What the instruction is about, and where it goes."""
    if not scene.has_task or scene.truth.phase in ("retreat", "done"):
        return None
    key = ("task_object", "task_target")[rng.integers(2)]
    thing = scene.truth.object(scene.truth.source if key == "task_object" else scene.truth.target)
    if thing not in scene.plain:
        return None
    return Turn("task_object", ask(key, rng, goal=scene.goal(rng)), box_text(thing.box))


def feasible(scene: Scene, rng: np.random.Generator) -> Turn | None:
    """Whether all that an instruction names is in view: an absent thing in place of one of two makes it a no."""
    truth = scene.truth
    if truth.unlabelled:
        return None  # the answer would always be yes
    if scene.has_task and truth.phase not in ("retreat", "done") and rng.random() < 0.5:
        fit = all(truth.object(name) in scene.plain for name in (truth.source, truth.target))
        return Turn("feasible", ask("feasible", rng, goal=scene.goal(rng)), "yes") if fit else None
    places = [thing for thing in scene.plain if thing.kind in RECEIVERS]
    movable = [thing for thing in scene.plain if thing.kind not in RECEIVERS]
    if rng.random() < 0.5:
        if not movable:
            return None
        words = scene.phrase(movable[rng.integers(len(movable))], rng), scene.absent(rng, RECEIVERS)
        prep = next(prep for kind, prep in RECEIVERS.items() if words[1].split()[-1] in {noun.split()[-1] for noun in NOUNS[kind]})
    else:
        if not places:
            return None
        place = places[rng.integers(len(places))]
        words, prep = (
            (scene.absent(rng, [kind for kind in NOUNS if kind not in RECEIVERS]), scene.phrase(place, rng)),
            RECEIVERS[place.kind],
        )
    goal = instruction(words[0], prep, words[1], rng)
    return Turn("feasible", ask("feasible", rng, goal=goal), "no")


def obstacle(scene: Scene, rng: np.random.Generator) -> Turn | None:
    """What lies on a thing and has to go first."""
    if any(not thing.support and not thing.held for thing in scene.truth.objects):
        return None
    loads = {thing.name: [other for other in scene.truth.objects if other.support == thing.name] for thing in scene.plain if not thing.held}
    loaded = [thing for thing in scene.plain if len(loads.get(thing.name, ())) == 1 and scene.own[loads[thing.name][0].name]]
    free = [thing for thing in scene.plain if thing.name in loads and not loads[thing.name]]
    fit = loaded if loaded and rng.random() < 0.7 else free if rng.random() < SELDOM else []
    if not fit:
        return None
    thing = fit[rng.integers(len(fit))]
    answer = f"the {scene.name(loads[thing.name][0].name)}" if fit is loaded else "nothing"
    return Turn("obstacle", ask("obstacle", rng, phrase=scene.phrase(thing, rng)), answer)


def tidy(scene: Scene, rng: np.random.Generator) -> Turn | None:
    """Several things to one place, from left to right."""
    if any(thing.held for thing in scene.truth.objects):
        return None
    places = [thing for thing in scene.plain if thing.kind in GATHER]
    loose = [thing for thing in scene.plain if thing.support == SURFACE and thing.grasp_point is not None and thing.kind not in GATHER]
    if not places or len(loose) < 2:
        return None
    place = places[rng.integers(len(places))]
    chosen = [loose[index] for index in rng.permutation(len(loose))[:3]]
    ordered = in_order(chosen, 0)
    if ordered is None:
        return None
    names = [scene.name(thing.name) for thing in chosen]
    prep, onto = GATHER[place.kind], scene.name(place.name)
    steps = [f"put the {scene.name(thing.name)} {point_text(thing.grasp_point)} {prep} the {onto}" for thing in ordered]
    return Turn("tidy", ask("tidy", rng, list=list_text(names), prep=prep, other=onto), numbered(steps))


def recovery(scene: Scene, rng: np.random.Generator) -> Turn | None:
    """How to go on after an attempt, which may have come out well: mend first, then what is left."""
    truth = scene.truth
    if not scene.has_task or not truth.robot or not truth.attempt or truth.openness is None:
        return None
    source, wrong = truth.object(truth.source), wrongly_held(truth)
    if source.point is None and not source.held:
        return None
    if source.held or known_phase(truth) in ("release", "retreat", "done"):
        steps = steps_left(scene)
        if steps is None:
            return None
    elif wrong is not None:
        steps = [f"put down the {scene.name(wrong.name)}", *all_steps(scene, points=True)]
    else:
        steps = [*(["open the gripper"] if truth.openness <= OPEN_ABOVE else []), *all_steps(scene, points=True)]
    return Turn("recovery", ask("recovery", rng, goal=scene.goal(rng)), numbered(steps) or TASK_DONE)
