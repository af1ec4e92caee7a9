"""The layout of a recorded episode: `<task>/episode-000012.npz` with `episode-000012.json` beside it. T frames, K things.

The JSON says what does not change:

    format        1
    simulator     `SimplerEnv`, `RoboTwin`, …: whose names the things have (`config/data/states/things.yaml`)
    task          the simulator's name of it
    instruction   what the robot was told
    source, target   names of the thing to move and the one to move it to; empty where the task is another
    arms          how many the robot has
    surface       what things stand on, as one says it: `table`
    surface_height   metres in the base frame, or null
    complete      false where the picture shows things that are not listed (a photograph behind them)
    domain        the robot or scene, for the records
    things        the simulator's names of them
    reach         [inner, outer] metres from the base's vertical axis at which the arm takes a thing from above, or null

The arrays, lengths in metres, poses as xyz and quaternion xyzw in the robot's base frame (x forward, y left, z up):

    images        uint8 (T, h, w, 3)   RGB
    shown         uint8 (T, h, w)      what a pixel shows: 0 nothing of these, 1 the surface's top, 2 the robot, 3 scenery
                                       that may hide things, 4 + k thing k
    alone         int32 (T, K)         pixels thing k would show were nothing before it; -1 where that was not drawn
    poses         float (T, K, 7)      of the things; the place is the middle of the extents
    extents       float (T, K, 3)      of a thing as it lies: along the level direction that its x axis heads in, across it, and
                                       upwards; 0 where not known
    held          int16 (T, arms)      the thing between each gripper's fingers, -1 none
    support       int16 (T, K)         what thing k rests on: a thing's number, -1 the surface, -2 nothing or not known
    grippers      float (T, arms, 8)   pose of the grasp point between the fingers, and openness 0 … 1
    camera        float (T, 4, 4)      base frame to the camera's (x right, y down, z forward)
    intrinsics    float (3, 3)         pixels
    attempt       uint8 (T,)           what the robot has just tried: 0 not known, 1 grasp, 2 carry, 3 release
    success       bool (T,)            the simulator's own flag
"""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ConfigDict, TypeAdapter, ValidationError

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.truth import ATTEMPTS

FORMAT = 1
NOTHING, TOP, ARM, SCENERY, FIRST = range(5)  # in `shown`
ON_SURFACE, ON_NOTHING = -1, -2  # in `support`
ATTEMPT = ("", *ATTEMPTS)
_ARRAYS = {
    "images": "u1", "shown": "u1", "alone": "i4", "poses": "f8", "extents": "f8", "held": "i2", "support": "i2", "grippers": "f8",
    "camera": "f8", "intrinsics": "f8", "attempt": "u1", "success": "?",
}  # fmt: skip


@dataclass(frozen=True)
class About:
    """What does not change in an episode; see the module."""

    __pydantic_config__ = ConfigDict(extra="forbid")
    simulator: str
    task: str
    instruction: str
    things: tuple[str, ...]
    domain: str
    source: str = ""
    target: str = ""
    arms: int = 1
    surface: str = "table"
    surface_height: float | None = None
    complete: bool = True
    reach: tuple[float, float] | None = None
    format: int = FORMAT


@dataclass(frozen=True)
class Recording:
    """One episode in memory; see the module for shapes. Raises Damaged where parts do not fit one another."""

    about: About
    images: np.ndarray
    shown: np.ndarray
    alone: np.ndarray
    poses: np.ndarray
    extents: np.ndarray
    held: np.ndarray
    support: np.ndarray
    grippers: np.ndarray
    camera: np.ndarray
    intrinsics: np.ndarray
    attempt: np.ndarray
    success: np.ndarray

    def __post_init__(self) -> None:
        about, things = self.about, len(self.about.things)
        if about.format != FORMAT:
            raise Damaged("recording of another format", f"{about.format}, expected {FORMAT}")
        frames, height, width = self.images.shape[:3] if self.images.ndim == 4 else (0, 0, 0)
        expected = {
            "images": (frames, height, width, 3), "shown": (frames, height, width), "alone": (frames, things), "poses": (frames, things, 7),
            "extents": (frames, things, 3), "held": (frames, about.arms), "support": (frames, things), "grippers": (frames, about.arms, 8), "camera": (frames, 4, 4),
            "intrinsics": (3, 3), "attempt": (frames,), "success": (frames,),
        }  # fmt: skip
        for name, shape in expected.items():
            array = getattr(self, name)
            if array.shape != shape or not frames:
                raise Damaged("array of a wrong shape", f"{name} is {array.shape}, expected {shape} for {frames} frames of {things} things")
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise Damaged("array not finite", name)
        unknown = {about.source, about.target, ""} - {*about.things, ""}
        if unknown or len(set(about.things)) != things:
            raise Damaged("things do not fit the task", f"{sorted(unknown)} not among {about.things}, or a name twice")
        for name, low, high in (("shown", 0, FIRST + things - 1), ("held", -1, things - 1), ("support", ON_NOTHING, things - 1),
                                ("attempt", 0, len(ATTEMPT) - 1)):  # fmt: skip
            array = getattr(self, name)
            if array.size and not low <= int(array.min()) <= int(array.max()) <= high:
                raise Damaged("number out of range", f"{name} goes from {array.min()} to {array.max()}, expected {low} … {high}")

    def __len__(self) -> int:
        return len(self.images)


_ABOUT = TypeAdapter(About)


def read_recording(path: Path) -> Recording:
    """The episode of a path with or without `.npz`. Raises Damaged: files missing, damaged, or of other shapes."""
    path = path.with_suffix(".npz")
    try:
        about = _ABOUT.validate_json(path.with_suffix(".json").read_bytes())
        with np.load(path, allow_pickle=False) as arrays:
            parts = {name: arrays[name].astype(kind, copy=False) for name, kind in _ARRAYS.items()}
    except FileNotFoundError as error:
        raise Damaged("recording is incomplete", str(error)) from error
    except ValidationError as error:
        raise Damaged("description does not fit", f"{path.with_suffix('.json')}: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}") from error
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise Damaged("recording cannot be read", f"{path}: {error}") from error
    return Recording(about, **parts)


def write_recording(path: Path, recording: Recording) -> None:
    """Write both files, whole or not at all; the arrays last, so that an episode without them does not count."""
    path = path.with_suffix(".npz")
    path.parent.mkdir(parents=True, exist_ok=True)
    plain: dict[str, Any] = _ABOUT.dump_python(recording.about, mode="json")
    path.with_suffix(".json").write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        arrays = {field.name: getattr(recording, field.name) for field in fields(recording) if field.name != "about"}
        np.savez_compressed(file, **{name: array.astype(_ARRAYS[name], copy=False) for name, array in arrays.items()})
    os.replace(partial, path)
