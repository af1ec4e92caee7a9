"""What is there, what it looks like, what the robot is doing and how it came out."""

from __future__ import annotations

import numpy as np

from vlaser_core.data.families.grounding import coloured
from vlaser_core.data.families.steps import known_phase, next_words, wrongly_held
from vlaser_core.data.phrasing import PLAIN, SELDOM, SLIVER, Scene, Turn, ask, choice, point_text, preposition, seen_share
from vlaser_core.data.truth import SURFACE, ObjectTruth
from vlaser_core.data.vocabulary import COLOURS, FAR, NOUNS, plural
from vlaser_core.reasoning.parse import TASK_DONE

OPEN_ABOVE = 0.5
WHOLE = 0.995  # visible fraction from which nothing is hidden
HALF_HIDDEN = 0.85  # visible fraction below which anyone would say that something is


def _presence(kind: str, scene: Scene, rng: np.random.Generator) -> Turn | None:
    if scene.truth.unlabelled:
        return None  # the answer would always be yes
    if rng.random() < 0.5:
        return Turn(kind, ask(kind, rng, phrase=scene.absent(rng)), "no")
    thing = scene.thing(rng)
    if thing is None or thing.box is None or seen_share(thing) < PLAIN / 2:
        return None  # it is there and can hardly be seen: neither yes nor no is fair
    answer = "yes" if kind == "presence" else f"yes {point_text(thing.point)}"
    return Turn(kind, ask(kind, rng, phrase=scene.phrase(thing, rng)), answer)


def presence(scene: Scene, rng: np.random.Generator) -> Turn | None:
    return _presence("presence", scene, rng)


def presence_located(scene: Scene, rng: np.random.Generator) -> Turn | None:
    return _presence("presence_located", scene, rng)


def _seen(scene: Scene, rng: np.random.Generator) -> ObjectTruth | None:
    """A named object of which enough shows to be recognised."""
    thing = scene.thing(rng)
    return thing if thing is not None and thing.point is not None and seen_share(thing) >= PLAIN / 2 else None


def _telling(scene: Scene, thing: ObjectTruth) -> list[str]:
    """Phrases that do not name the colour."""
    return [phrase for phrase in scene.own[thing.name] if thing.colour not in phrase.split()]


def colour(scene: Scene, rng: np.random.Generator) -> Turn | None:
    thing = _seen(scene, rng)
    if thing is None or not thing.colour:
        return None
    telling = _telling(scene, thing)
    if telling and rng.random() < 0.6:
        return Turn("colour", ask("colour", rng, phrase=telling[rng.integers(len(telling))]), thing.colour)
    return Turn("colour", ask("colour_at", rng, point=f"[[{thing.point[0]}, {thing.point[1]}]]"), thing.colour)


def colour_choice(scene: Scene, rng: np.random.Generator) -> Turn | None:
    thing = _seen(scene, rng)
    telling = _telling(scene, thing) if thing is not None else []
    options = choice(thing.colour, [c for c in COLOURS if c in FAR[thing.colour]], rng) if thing is not None and thing.colour and telling else None
    if options is None:
        return None
    question = ask("colour_choice", rng, phrase=telling[rng.integers(len(telling))], options=options[0])
    return Turn("colour_choice", question, options[1])


def is_colour(scene: Scene, rng: np.random.Generator) -> Turn | None:
    thing = _seen(scene, rng)
    telling = _telling(scene, thing) if thing is not None else []
    if thing is None or not telling or thing.colour not in FAR:
        return None
    right = rng.random() < 0.5
    said = thing.colour if right else FAR[thing.colour][rng.integers(len(FAR[thing.colour]))]
    question = ask("is_colour", rng, phrase=telling[rng.integers(len(telling))], colour=said)
    return Turn("is_colour", question, "yes" if right else "no")


def name_at(scene: Scene, rng: np.random.Generator) -> Turn | None:
    thing = _seen(scene, rng)
    if thing is None:
        return None
    if rng.random() < 0.4 and seen_share(thing) >= PLAIN:
        question = ask("name_in", rng, box=f"[[{', '.join(map(str, thing.box))}]]")
    else:
        question = ask("name_at", rng, point=f"[[{thing.point[0]}, {thing.point[1]}]]")
    return Turn("name_at", question, scene.name(thing.name))


def name_choice(scene: Scene, rng: np.random.Generator) -> Turn | None:
    thing = scene.plain_thing(rng)
    if thing is None:
        return None
    wrong = [scene.name(other.name) for other in scene.named if other.name != thing.name] + [scene.absent(rng) for _ in range(2)]
    options = choice(scene.name(thing.name), [wrong[index] for index in rng.permutation(len(wrong))], rng)
    if options is None:
        return None
    box = f"[[{', '.join(map(str, thing.box))}]]"
    return Turn("name_choice", ask("name_choice", rng, box=box, options=options[0]), options[1])


def objects(scene: Scene, rng: np.random.Generator) -> Turn | None:
    if scene.truth.unlabelled or len(scene.named) < len(scene.truth.objects) or any(0 < seen_share(thing) < SLIVER for thing in scene.named):
        return None
    seen = sorted(scene.name(thing.name) for thing in scene.shown)
    return Turn("objects", ask("objects", rng), ", ".join(seen) if seen else "none")


def count(scene: Scene, rng: np.random.Generator) -> Turn | None:
    """How many there are, of all, of a kind (perhaps absent) or of a colour."""
    if not scene.all_or_none:
        return None
    what = rng.integers(3)
    if what == 0:
        return Turn("count", ask("count", rng, surface=scene.truth.surface), str(len(scene.shown)))
    if what == 1:
        kinds = sorted({thing.kind for thing in scene.truth.objects} - {""})
        if not kinds or rng.random() < 0.15:
            kinds = sorted(set(NOUNS) - set(kinds))
        kind = kinds[rng.integers(len(kinds))]
        number = sum(thing.kind == kind for thing in scene.shown)
        return Turn("count", ask("count_kind", rng, kinds=plural(NOUNS.get(kind, (kind,))[0])), str(number))
    found = coloured(scene, rng)
    return None if found is None else Turn("count", ask("count_colour", rng, colour=found[0]), str(len(found[1])))


def occluded(scene: Scene, rng: np.random.Generator) -> Turn | None:
    """Is something in front of a part of it? Answers balanced, as most things are in full view."""
    hidden = [thing for thing in scene.named if PLAIN / 2 <= seen_share(thing) < HALF_HIDDEN]
    whole = [thing for thing in scene.named if seen_share(thing) >= WHOLE]
    fit = hidden if hidden and (not whole or rng.random() < 0.6) else whole if rng.random() < 0.4 else []
    if not fit:
        return None
    thing = fit[rng.integers(len(fit))]
    return Turn("occluded", ask("occluded", rng, phrase=scene.phrase(thing, rng)), "yes" if fit is hidden else "no")


def rests_on(scene: Scene, rng: np.random.Generator) -> Turn | None:
    fit = [thing for thing in scene.plain if thing.support and not thing.held]
    # Most things stand on the table: those that do not are asked about first.
    apart = [thing for thing in fit if thing.support != SURFACE and scene.own.get(thing.support)]
    if apart and rng.random() < 0.7:
        fit = apart
    else:
        fit = [thing for thing in fit if thing.support == SURFACE] if rng.random() < SELDOM else []
    if not fit:
        return None
    thing = fit[rng.integers(len(fit))]
    below = scene.truth.surface if thing.support == SURFACE else scene.name(thing.support)
    return Turn("rests_on", ask("rests_on", rng, phrase=scene.phrase(thing, rng)), f"the {below}")


def gripper_state(scene: Scene, rng: np.random.Generator) -> Turn | None:
    truth = scene.truth
    if not truth.robot or truth.openness is None:
        return None
    held = [thing.name for thing in truth.objects if thing.held]
    answer = f"holding the {scene.name(held[0])}" if held else "open" if truth.openness > OPEN_ABOVE else "closed"
    return Turn("gripper_state", ask("gripper_state", rng), answer)


def gripper_height(scene: Scene, rng: np.random.Generator) -> Turn | None:
    height = scene.truth.gripper_height_mm
    if not scene.truth.robot or height is None or not 0 <= height <= 1000:
        return None
    return Turn("gripper_height", ask("gripper_height", rng), str(height))


def holding(scene: Scene, rng: np.random.Generator) -> Turn | None:
    thing = scene.plain_thing(rng)
    held = [other for other in scene.plain if other.held]
    if held and rng.random() < 0.5:
        thing = held[0]
    if not scene.truth.robot or thing is None:
        return None
    return Turn("holding", ask("holding", rng, phrase=scene.phrase(thing, rng)), "yes" if thing.held else "no")


def phase(scene: Scene, rng: np.random.Generator) -> Turn | None:
    if not scene.has_task or not scene.truth.robot or wrongly_held(scene.truth):
        return None
    return Turn("phase", ask("phase", rng, goal=scene.goal(rng)), known_phase(scene.truth))


def done(scene: Scene, rng: np.random.Generator) -> Turn | None:
    if not scene.has_task or (not scene.truth.success and rng.random() >= SELDOM):
        return None
    return Turn("done", ask("done", rng, scene.truth.robot, goal=scene.goal(rng)), "yes" if scene.truth.success else "no")


def next_action(scene: Scene, rng: np.random.Generator) -> Turn | None:
    words = next_words(scene, points=False)
    if words is None:
        return None
    return Turn("next_action", ask("next_action", rng, scene.truth.robot, goal=scene.goal(rng)), words or TASK_DONE)


def _attempted(scene: Scene) -> ObjectTruth | None:
    truth = scene.truth
    return truth.object(truth.source) if scene.has_task and truth.robot and truth.attempt and truth.openness is not None else None


def _worked(scene: Scene, source: ObjectTruth) -> bool:
    if scene.truth.attempt == "release":
        return known_phase(scene.truth) in ("release", "retreat", "done") and not source.held
    return source.held


def outcome(scene: Scene, rng: np.random.Generator) -> Turn | None:
    """Whether what the robot has just tried came out as meant."""
    source = _attempted(scene)
    if source is None or (source.point is None and not source.held):
        return None
    words = {"phrase": scene.phrase(source, rng)}
    if scene.truth.attempt == "release":
        words["goal"] = scene.goal(rng)
    return Turn("outcome", ask(f"outcome_{scene.truth.attempt}", rng, **words), "yes" if _worked(scene, source) else "no")


def fault(scene: Scene, rng: np.random.Generator) -> Turn | None:
    source = _attempted(scene)
    if source is None or (source.point is None and not source.held):
        return None
    wrong = wrongly_held(scene.truth)
    if _worked(scene, source):
        answer = "nothing"
    elif wrong is not None:
        answer = f"the gripper holds the {scene.name(wrong.name)}"
    elif scene.truth.attempt == "release":
        answer = f"the {scene.name(source.name)} is not {preposition(scene.truth)} the {scene.name(scene.truth.target)}"
    else:
        answer = f"the gripper does not hold the {scene.name(source.name)}"
    return Turn("fault", ask("fault", rng, goal=scene.goal(rng)), answer)
