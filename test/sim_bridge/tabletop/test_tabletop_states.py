"""Recorded states give the truths that the simulator gives itself: shown on the one simulator that is at hand."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from sim_bridge.shapes import extents
from sim_bridge.tabletop.scene import GROUP_SOURCE, GROUP_TARGET
from sim_bridge.tabletop.tasks import TASKS
from sim_bridge.tabletop.world import Tabletop
from vlaser_core.data.check import check
from vlaser_core.data.families import FAMILIES, conversation
from vlaser_core.data.states import Recording, Scenes, Things
from vlaser_core.data.states.recording import ATTEMPT, ON_NOTHING, ON_SURFACE, About
from vlaser_core.data.states.things import Words
from vlaser_core.data.truth import SURFACE
from vlaser_core.geometry import quaternion_from_matrix

WIDTH, HEIGHT, FRAMES = 128, 96, 24
# The picture's axes (right, down, forward) of a camera body that looks along x, y left.
OPTICAL = np.array([[0, -1, 0], [0, 0, -1], [1, 0, 0]])


def seven(pose):
    return [*pose[:3, 3], *quaternion_from_matrix(pose[:3, :3])]


def record(world, task, seed):
    """What a recorder beside the simulator would write down, and the simulator's own truths."""
    rng, truths, parts = np.random.default_rng(seed), [], {}
    world.reset(task, 0)
    for _ in range(FRAMES):
        world.scatter(rng, 0.2)
        truth, state = world.truth(WIDTH, HEIGHT), world.state()
        truths.append(truth)
        # The map's values are those of the layout but for scenery, which this simulator has none of.
        values = truth.pixels.values()
        frame = {
            "shown": np.where(values >= 3, values + 1, values),
            "alone": [int(np.count_nonzero(world.alone(WIDTH, HEIGHT, group))) for group in (GROUP_SOURCE, GROUP_TARGET)],
            "poses": [seven(state.source), seven(state.target)],
            "held": [0 if state.held else -1],
            "support": [{SURFACE: ON_SURFACE, "": ON_NOTHING}.get(thing.support, 1) for thing in truth.objects],
            "grippers": [[*seven(state.gripper), state.openness]],
            "attempt": ATTEMPT.index(truth.attempt),
            "success": truth.success,
        }
        for name, value in frame.items():
            parts.setdefault(name, []).append(value)
    arrays = {name: np.array(values) for name, values in parts.items()}
    sizes = [extents(world.model, world.model.body(thing.name).id) for thing in world.things()]
    camera = np.eye(4)
    camera[:3, :3] = OPTICAL @ world.view.rotation.T
    camera[:3, 3] = -camera[:3, :3] @ world.view.position
    lens = np.array([[WIDTH / 2 / world.view.half_width, 0, WIDTH / 2], [0, HEIGHT / 2 / world.view.half_height, HEIGHT / 2], [0, 0, 1]])
    about = About(
        "Tabletop", task, truths[0].instruction, tuple(thing.name for thing in world.things()), "widowx", world.spec.source, world.spec.target, surface_height=0.0,
    )  # fmt: skip
    images = np.zeros((FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    recording = Recording(about, images=images, extents=np.tile(sizes, (FRAMES, 1, 1)), camera=np.tile(camera, (FRAMES, 1, 1)), intrinsics=lens, **arrays)
    words = tuple(Words(thing.name, thing.kind, thing.colour, thing.phrases, hold=True) for thing in world.things())
    return Scenes(recording, Things({"Tabletop": words}, Path("none"))), truths


@pytest.fixture(scope="module")
def recorded():
    world = Tabletop("rays")
    yield {task: record(world, task, number) for number, task in enumerate(TASKS)}
    world.close()


def test_things_grippers_and_pictures_are_as_the_simulator_says(recorded):
    for scenes, truths in recorded.values():
        for number, own in enumerate(truths):
            read = scenes.truth(number)
            for thing, known in zip(read.objects, own.objects, strict=True):
                same = {"box", "point", "visible_fraction", "position", "held", "phrases", "colour", "kind", "support", "camera_distance"}
                assert {name: getattr(thing, name) for name in same} == {name: getattr(known, name) for name in same}
                assert np.hypot(*np.subtract(thing.position, known.position)[:2]) == 0 and abs(np.sin((thing.yaw - known.yaw) / 2)) < 1e-4
            for name in ("task", "instruction", "source", "target", "gripper_point", "gripper_height_mm", "openness", "success", "attempt", "surface"):
                assert getattr(read, name) == getattr(own, name), name


def test_a_phase_that_is_told_is_the_experts_own_or_next_to_it(recorded):
    apart = Counter()
    step = {"reach": 0, "descend": 1, "grasp": 1, "lift": 2, "carry": 3, "lower": 4, "release": 5, "retreat": 6, "done": 7}
    for scenes, truths in recorded.values():
        for number, own in enumerate(truths):
            phase = scenes.truth(number).phase
            if phase:
                apart[abs(step[own.phase] - step[phase])] += 1
    # The expert has bounds of its own (it turns before it descends, say); a person could say either there.
    assert set(apart) <= {0, 1} and apart.total() > 2 * FRAMES and apart[0] > 0.85 * apart.total(), apart


def test_answers_read_off_a_recording_hold_for_the_simulators_truth(recorded):
    rng = np.random.default_rng(0)
    families = [name for name in FAMILIES if name not in ("grasp_point", "placement", "plan", "next_step", "recovery", "tidy", "affordance")]  # other points
    for scenes, truths in recorded.values():
        for number, own in enumerate(truths):
            read = scenes.truth(number)
            phase = read.phase or own.phase
            turns = conversation(read, rng, 8, families)
            assert check(read, turns) == []
            assert check(dataclasses.replace(own, phase=phase, pixels=read.pixels), turns) == []
