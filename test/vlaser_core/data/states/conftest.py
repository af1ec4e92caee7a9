"""A recorded episode, drawn: a spoon goes onto a towel, seen from straight above; a plate stands by."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from vlaser_core.data.states.recording import ARM, FIRST, TOP, About, Recording

WIDTH, HEIGHT, FOCAL, EYE = 160, 120, 130.0, np.array([0.3, 0.0, 1.0])
SIZES = {"bridge_spoon_generated_modified": (0.12, 0.03, 0.02), "table_cloth_generated_shorter": (0.14, 0.12, 0.004), "bridge_plate_objaverse_larger": (0.11, 0.11, 0.02)}
NAMES = tuple(SIZES)
# Image right is the base's -y, image down its -x.
CAMERA = np.eye(4)
CAMERA[:3, :3] = [[0, -1, 0], [-1, 0, 0], [0, 0, -1]]
CAMERA[:3, 3] = -CAMERA[:3, :3] @ EYE
LENS = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
CLOTH, PLATE = np.array([0.4, 0.12]), np.array([0.2, 0.15])


def pixel(place):
    x, y, depth = LENS @ (CAMERA[:3, :3] @ np.asarray(place) + CAMERA[:3, 3])
    return x / depth, y / depth


def drawn(places, hand):
    """(h, w) of what shows, and how much of each thing would show alone."""
    shown, alone = np.full((HEIGHT, WIDTH), TOP, np.uint8), []
    for number, (place, size) in enumerate(zip(places, SIZES.values(), strict=True)):
        (left, top), (right, bottom) = (pixel(place + np.array(corner) * size / 2) for corner in ((1, 1, 0), (-1, -1, 0)))
        mask = np.zeros_like(shown, bool)
        mask[round(top) : round(bottom), round(left) : round(right)] = True
        alone.append((number, mask))
    for number, mask in sorted(alone, key=lambda each: places[each[0]][2]):
        shown[mask] = FIRST + number
    x, y = (round(value) for value in pixel(hand))
    shown[max(0, y - 2) : y + 3, x + 3 : x + 40] = ARM
    return shown, [int(mask.sum()) for _, mask in alone]


# (spoon's xy, its lift, hand's xyz, openness, held, on the cloth, attempt, success)
FRAMES = {
    "reach": ((0.3, -0.1), 0.0, (0.2, 0.1, 0.2), 1.0, False, False, 0, False),
    "descend": ((0.3, -0.1), 0.0, (0.305, -0.1, 0.09), 1.0, False, False, 0, False),
    "missed": ((0.3, -0.1), 0.0, (0.38, -0.12, 0.09), 0.1, False, False, 1, False),
    "lift": ((0.3, -0.1), 0.01, (0.3, -0.1, 0.02), 0.3, True, False, 1, False),
    "carry": ((0.35, 0.0), 0.1, (0.35, 0.0, 0.11), 0.3, True, False, 2, False),
    "lower": ((0.4, 0.12), 0.05, (0.4, 0.12, 0.06), 0.3, True, False, 2, False),
    "undecided": ((0.3, -0.1), 0.0, (0.34, -0.1, 0.09), 1.0, False, False, 0, False),
    "done": ((0.4, 0.12), 0.004, (0.4, 0.12, 0.15), 1.0, False, True, 3, True),
}


def recording(frames=FRAMES, **changes):
    parts = {name: [] for name in ("shown", "alone", "poses", "held", "support", "grippers", "attempt", "success")}
    for xy, lift, hand, openness, held, on, attempt, success in frames.values():
        places = [np.array([*xy, lift + 0.01]), np.array([*CLOTH, 0.002]), np.array([*PLATE, 0.01])]
        shown, alone = drawn(places, hand)
        for name, value in {
            "shown": shown,
            "alone": alone,
            "poses": [[*place, 0, 0, 0, 1] for place in places],
            "held": [0 if held else -1],
            "support": [-2 if held else 1 if on else -1, -1, -1],
            "grippers": [[*hand, 0, 0, 0, 1, openness]],
            "attempt": attempt,
            "success": success,
        }.items():
            parts[name].append(value)
    arrays = {name: np.array(values) for name, values in parts.items()}
    colours = np.array([[90, 90, 90], [150, 110, 70], [20, 20, 20], [0, 0, 0], [30, 140, 50], [40, 60, 160], [220, 220, 220]], np.uint8)
    about = {
        "simulator": "SimplerEnv", "task": "widowx_spoon_on_towel", "instruction": "put the spoon on the towel",
        "things": NAMES, "domain": "widowx, SimplerEnv",
        "source": NAMES[0], "target": NAMES[1], "surface_height": 0.0,
    }  # fmt: skip
    about |= {name: changes.pop(name) for name in list(changes) if name in About.__dataclass_fields__}
    content = {
        **arrays, "extents": np.tile(list(SIZES.values()), (len(frames), 1, 1)), "images": colours[arrays["shown"]], "camera": np.tile(CAMERA, (len(frames), 1, 1)), "intrinsics": LENS,
    } | changes  # fmt: skip
    return Recording(About(**about), **content)


@pytest.fixture
def states():
    """The functions above, for tests to call."""
    return SimpleNamespace(recording=recording, frames=FRAMES, names=NAMES, pixel=pixel, width=WIDTH, height=HEIGHT, eye=EYE)
