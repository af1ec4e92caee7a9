"""Episodes that other simulators recorded with their state (layout: `vlaser_core.data.states`): the in-domain families, exact.

    <task>/episode-000012.npz with episode-000012.json beside it
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.families.records import PROVENANCE, Shown, records_about, split_of
from vlaser_core.data.robot.tabletop import episode_files
from vlaser_core.data.source import Damage, Picture, Sample, Unit
from vlaser_core.data.sources.base import Described, spread, unit_rng
from vlaser_core.data.states import Scenes, load_things, read_recording
from vlaser_core.data.states.things import Things
from vlaser_core.errors import InputError

JPEG_QUALITY = 95


class States(Described):
    """One simulator's recordings. moments: frames of an episode that are asked about, at most, evenly spread."""

    domain = ""
    provenance = PROVENANCE

    def __init__(self, root: Path, name: str, licence: str, get: str, moments: int = 12) -> None:
        super().__init__(root)
        self.name, self.licence, self.get, self.moments = name, licence, get, moments
        self._things: Things | None = None

    @property
    def settings(self) -> dict[str, str | int | float | bool]:
        return {"moments": self.moments}

    def units(self) -> Sequence[Unit]:
        """Up to 25 episodes of one task a unit."""
        groups = episode_files(self.root)
        if not groups:
            raise self.missing("<task>/episode-*.npz")
        return [Unit(self.name, key, len(files)) for key, files in groups.items()]

    def read(self, unit: Unit, damage: Damage, seed: int) -> Iterator[Sample]:
        files = episode_files(self.root).get(unit.key)
        if files is None:
            raise InputError(f"unit {unit.key!r} of {self.name}: its files are gone from {self.root}")
        base = int(unit_rng(unit, seed).integers(1 << 32))
        for path in files:
            # By the episode's own number: one that is damaged or comes later must not change what others draw.
            rng = np.random.default_rng([base, int(path.stem.rpartition("-")[2])])
            try:
                yield from self._episode(path, rng, damage)
            except Damaged as error:
                damage.skip(f"{path} ({error})", error.reason)

    def _episode(self, path: Path, rng: np.random.Generator, damage: Damage) -> Iterator[Sample]:
        if self._things is None:
            self._things = load_things()
        recording = read_recording(path)
        scenes, split = Scenes(recording, self._things), split_of(rng)
        height, width = recording.images.shape[1:3]
        for frame in spread(len(recording), self.moments):
            where = f"{path}, frame {frame}"
            key = f"{path.stem.rpartition('-')[2]}.{frame:04d}"
            try:
                truth = scenes.truth(frame)
            except Damaged as error:
                damage.skip(f"{where} ({error})", error.reason)
                continue
            picture = _picture(f"{key}.jpg", recording.images[frame])
            shown = Shown(key, picture, width, height, truth, self.name, recording.about.domain, self.licence, split)
            yield from records_about(shown, rng, damage, where)


def _picture(name: str, image: np.ndarray) -> Picture:
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return Picture(name, cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes())


def simpler_states(root: Path) -> States:
    """SimplerEnv's, recorded with `python -m sim_bridge.states`."""
    get = (
        "record some: set SimplerEnv up (`vlaser simpler setup`), then python -m sim_bridge.states --checkout <SimplerEnv> --out <folder>, "
        "and give that folder"
    )
    return States(root, "simpler", "MIT", get)


def robotwin_states(root: Path) -> States:
    """RoboTwin's, recorded by its user: its published episodes hold no poses of things."""
    get = "record RoboTwin's state in the layout of vlaser_core/data/states/recording.py (docs/data_sources.md) and give the folder that holds <task>/episode-*.npz"
    return States(root, "robotwin_states", "MIT", get)
