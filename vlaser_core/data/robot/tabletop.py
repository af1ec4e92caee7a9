"""Demonstrations recorded from the tabletop: `<task>/episode-000012.npz` with `.json` beside it, one file an episode.

Arrays: images uint8 (T, h, w, 3), proprio (T, 7), actions (T, 7) as executed, chunks (T, H, 7) as the expert wanted them,
times (T,) s. The JSON tells task, instruction, rate and success.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.robot.episode import Episode
from vlaser_core.data.robot.open_x import DELTAS, Bridge
from vlaser_core.data.source import Damage, Unit
from vlaser_core.errors import InputError

EPISODES_A_UNIT = 25


class TabletopDemonstrations:
    """Recorded demonstrations below a folder. failed: keep episodes that did not succeed."""

    name = "tabletop"
    licence = "Apache-2.0"
    get = "record some: python -m sim_bridge.tabletop.record demos --task all --count 100 --out <folder>"

    def __init__(self, root: Path, camera: str = "image_0", failed: bool = False) -> None:
        self.root, self.camera, self.failed = Path(root), camera, failed

    def units(self) -> Sequence[Unit]:
        """Up to 25 episodes of one task a unit."""
        groups = episode_files(self.root)
        if not groups:
            raise InputError(f"no <task>/episode-*.npz below {self.root}: {self.get}")
        return [Unit(self.name, key, len(files)) for key, files in groups.items()]

    def episodes(self, unit: Unit, damage: Damage, only: Collection[str] | None = None) -> Iterator[Episode]:
        for path in episode_files(self.root)[unit.key]:
            if only is not None and _id(path) not in only:
                continue
            try:
                episode = self._episode(path)
            except Damaged as error:
                damage.skip(f"{path} ({error})", error.reason)
                continue
            if self.failed or episode.success:
                yield episode
            else:
                damage.skip(str(path), "episode did not succeed")

    def _episode(self, path: Path) -> Episode:
        try:
            about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            with np.load(path, allow_pickle=False) as arrays:
                proprio, actions, times = (arrays[name].astype(float) for name in ("proprio", "actions", "times"))
            if about["steps"] != len(actions):
                raise Damaged("steps missing from the data file", f"{len(actions)} of {about['steps']}")
            instruction, rate, success = str(about["instruction"]), float(about["rate_hz"]), bool(about["success"])
        except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
            raise Damaged("demonstration cannot be read", f"{path}: {error!r}") from error
        return Episode(
            id=_id(path),
            data_set=self.name,
            instructions=(instruction,) if instruction else (),
            proprio=proprio,
            actions=actions,
            proprio_names=Bridge.proprio_names,
            action_names=DELTAS,
            rate_hz=rate,
            cameras={self.camera: partial(_pictures, path)},
            success=success,
            times=times - (times[0] if len(times) else 0.0),
        )


def _id(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def episode_files(root: Path) -> dict[str, list[Path]]:
    """The files `<task>/episode-000012.npz` below a folder, by the key of the unit they belong to."""
    groups: dict[str, list[Path]] = {}
    for path in sorted(root.glob("*/episode-*.npz")):
        number = re.fullmatch(r"episode-(\d+)", path.stem)
        if number:
            # By number, not by place in the listing: recording more later leaves the units there are as they are.
            task = re.sub(r"[^A-Za-z0-9_-]", "_", path.parent.name)
            groups.setdefault(f"{task}-{int(number.group(1)) // EPISODES_A_UNIT:05d}", []).append(path)
    return groups


def _pictures(path: Path, steps: Sequence[int]) -> Iterator[np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            images = arrays["images"]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise Damaged("demonstration cannot be read", f"{path}: {error!r}") from error
    for step in steps:
        yield images[step]
