"""RoboTwin 2.0's HDF5 episodes, in both layouts its publisher has used.

Release archives and collection until 2026, one folder a task and configuration:
    <task>/<configuration>/data/episode0.hdf5          observation/<camera>/rgb (JPEG), joint_action/vector (T, 14)
    <task>/<configuration>/instructions/episode0.json  {"seen": [...], "unseen": [...]}
Collection since August 2026, self-contained:
    <task>/<embodiment>/data/episode_0000000.hdf5      vision/<camera>/colors, state/*, action/*, instructions

Layout: RoboTwin-Platform/RoboTwin, envs/utils/pkl2hdf5.py. The action of a step is the joint vector that the next step
reached, radians and gripper openness, left arm first. The recorder keeps one sample in 15 of a 250 Hz simulation.

The recorder hands RGB pixels to an encoder that takes them for BGR. `colours="true"` undoes that; `colours="swapped"` shows
red and blue exchanged, as any ordinary JPEG decoder would, and as the published RoboTwin policy was trained.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import h5py
import numpy as np

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.robot.episode import Episode, decode_picture
from vlaser_core.data.source import Damage, Unit
from vlaser_core.errors import InputError

JOINTS = tuple(f"{side}_{name}" for side in ("left", "right") for name in (*(f"joint_{index}" for index in range(1, 7)), "gripper"))
_NUMBER = re.compile(r"episode_?(\d+)\.hdf5")
_PARTS = ("left_arm", "left_gripper", "right_arm", "right_gripper")
_NEW_PARTS = ("left_arm_joint_states", "left_ee_joint_states", "right_arm_joint_states", "right_ee_joint_states")
_NEW_CAMERAS = {
    "cam_head": "head_camera",
    "cam_left_wrist": "left_camera",
    "cam_right_wrist": "right_camera",
    "cam_third_view": "front_camera",
}


class RoboTwin:
    """Episodes below a folder. instructions: which wordings an episode carries, `seen` to train on, `unseen` to test."""

    name = "robotwin"
    licence = "MIT"
    get = "unpack <task>/aloha-agilex_clean_50.zip of the data set TianxingChen/RoboTwin2.0 (folder dataset/), and give the folder that holds <task>/"

    def __init__(self, root: Path, colours: Literal["true", "swapped"] = "true", instructions: Literal["seen", "unseen"] = "seen") -> None:
        if colours not in ("true", "swapped") or instructions not in ("seen", "unseen"):
            raise InputError(f"colours are true or swapped and instructions seen or unseen, got {colours!r} and {instructions!r}")
        self.root, self.colours, self.wording = Path(root), colours, instructions

    def units(self) -> Sequence[Unit]:
        """One unit an episode folder `data/`."""
        units = [Unit(self.name, key, len(files)) for key, files in self._folders().items()]
        if not units:
            raise InputError(f"no data/episode*.hdf5 below {self.root}: {self.get}")
        return units

    def episodes(self, unit: Unit, damage: Damage, only: Collection[str] | None = None) -> Iterator[Episode]:
        for path in self._folders()[unit.key]:
            key = f"{unit.key}.{_number(path):06d}"
            if only is not None and key not in only:
                continue
            try:
                yield self._episode(path, key)
            except Damaged as error:
                damage.skip(f"{path} ({error})", error.reason)

    def _folders(self) -> dict[str, list[Path]]:
        """Key made of the folders above data/ → its files by number."""
        found: dict[str, list[Path]] = {}
        for path in sorted(self.root.glob("**/data/episode*.hdf5"), key=lambda path: (path.parent, _number(path))):
            if _NUMBER.fullmatch(path.name):
                found.setdefault(_key(path.parent.parent.relative_to(self.root)), []).append(path)
        return found

    def _episode(self, path: Path, key: str) -> Episode:
        try:
            with h5py.File(path, "r") as file:
                new = "state" in file
                states, actions = _new_joints(file) if new else _joints(file)
                texts = _new_instructions(file) if new else self._instructions(path)
                rate = float(file["additional_info/frequency"][()]) if new and "additional_info/frequency" in file else 15.0
                cameras = {name: place for name, place in _cameras(file, new)}
                lengths = {name: len(file[place]) for name, place in cameras.items()}
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise Damaged("HDF5 file cannot be read", f"{path}: {error}") from error
        steps = len(actions) if new else len(actions) + 1
        for name, length in lengths.items():
            if length != steps:
                raise Damaged("pictures missing", f"camera {name!r} has {length} of {steps}")
        # Both layouts count 15 simulation steps a sample; the newer one writes that count into `frequency`.
        return Episode(
            id=key,
            data_set=self.name,
            instructions=texts,
            proprio=states,
            actions=actions,
            proprio_names=JOINTS,
            action_names=JOINTS,
            rate_hz=250.0 / rate,
            cameras={name: partial(self._pictures, path, place) for name, place in cameras.items()},
        )

    def _instructions(self, path: Path) -> tuple[str, ...]:
        place = path.parent.parent / "instructions" / f"{path.stem}.json"
        if not place.is_file():
            return ()
        try:
            texts = json.loads(place.read_text(encoding="utf-8"))[self.wording]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Damaged("instructions cannot be read", f"{place}: {error!r}") from error
        return tuple(text.strip() for text in texts if isinstance(text, str) and text.strip())

    def _pictures(self, path: Path, place: str, steps: Sequence[int]) -> Iterator[np.ndarray]:
        try:
            with h5py.File(path, "r") as file:
                stored = file[place]
                for step in steps:
                    picture = decode_picture(bytes(stored[step]), f"{path} {place} step {step}")
                    yield picture if self.colours == "swapped" else picture[..., ::-1]
        except (OSError, KeyError) as error:
            raise Damaged("HDF5 file cannot be read", f"{path}: {error}") from error


def _number(path: Path) -> int:
    found = _NUMBER.fullmatch(path.name)
    return int(found.group(1)) if found else -1


def _key(folder: Path) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", "-".join(folder.parts)) or "episodes"


def _columns(file: h5py.File, names: Sequence[str]) -> np.ndarray:
    parts = [np.asarray(file[name], dtype=float) for name in names]
    joined = np.concatenate([part[:, None] if part.ndim == 1 else part for part in parts], axis=1)
    if joined.shape[1] != len(JOINTS):
        raise Damaged(
            "another robot", f"{joined.shape[1]} joint values a step, expected {len(JOINTS)} (two arms of six joints and a gripper)"
        )
    return joined


def _joints(file: h5py.File) -> tuple[np.ndarray, np.ndarray]:
    names = ("joint_action/vector",) if "joint_action/vector" in file else tuple(f"joint_action/{part}" for part in _PARTS)
    vector = _columns(file, names)
    if len(vector) < 2:
        raise Damaged("too short", f"{len(vector)} steps leave no action")
    return vector[:-1], vector[1:]


def _new_joints(file: h5py.File) -> tuple[np.ndarray, np.ndarray]:
    return _columns(file, [f"state/{part}" for part in _NEW_PARTS]), _columns(file, [f"action/{part}" for part in _NEW_PARTS])


def _new_instructions(file: h5py.File) -> tuple[str, ...]:
    if "instructions" not in file:
        return ()
    text = file["instructions"][()]
    return tuple(value.strip() for value in json.loads(text.decode("utf-8") if isinstance(text, bytes) else text) if str(value).strip())


def _cameras(file: h5py.File, new: bool) -> Iterator[tuple[str, str]]:
    group = file["vision" if new else "observation"]
    for name in group:
        place = "colors" if new else "rgb"
        if isinstance(group[name], h5py.Group) and place in group[name]:
            yield _NEW_CAMERAS.get(name, name) if new else name, f"{group.name}/{name}/{place}"
