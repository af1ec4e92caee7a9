"""LeRobotDataset v3: Parquet tables and MP4 (or embedded) pictures, many episodes a file.

    meta/info.json                                     features with dtype, shape and names; fps; path templates
    meta/tasks.parquet                                 task text (pandas index) → task_index
    meta/episodes/chunk-000/file-000.parquet           one row an episode: where its rows and video frames are
    data/chunk-000/file-000.parquet                    one row a step, many episodes a file
    videos/<camera>/chunk-000/file-000.mp4             many episodes a file; an episode begins at its from_timestamp

Layout: huggingface/lerobot, docs/source/lerobot-dataset-v3.mdx and src/lerobot/datasets. States and actions come as they
were recorded; `adapt` turns degrees and gripper ranges into a robot's own. No `datasets`, no torch, no remote code.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.robot.episode import Episode, decode_picture
from vlaser_core.data.robot.video import frames_at
from vlaser_core.data.source import Damage, Unit
from vlaser_core.errors import InputError

STATE, ACTION = "observation.state", "action"
EPISODES_A_UNIT = 32
_READ_ERRORS = (OSError, pa.ArrowException, KeyError)


class LeRobotDataset:
    """A LeRobotDataset v3 folder. licence: as its card states it (the files do not)."""

    get = "download a LeRobotDataset v3 (`hf download --repo-type dataset <owner>/<name>`) and give the folder that holds meta/, data/ and videos/"

    def __init__(self, root: Path, licence: str = "see the data set's card", name: str | None = None) -> None:
        self.root, self.licence = Path(root), licence
        self.name = name or f"lerobot-{self.root.name}"
        self._info: dict | None = None
        self._rows: list[dict] | None = None

    @property
    def info(self) -> dict:
        """meta/info.json. Raises InputError where it is missing, damaged or of another version."""
        if self._info is None:
            path = self.root / "meta" / "info.json"
            try:
                info = json.loads(path.read_text(encoding="utf-8"))
                version, features = str(info["codebase_version"]), info["features"]
            except FileNotFoundError as error:
                raise InputError(f"no {path}: {self.get}") from error
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise InputError(f"cannot read {path}: {error!r}") from error
            if not version.startswith("v3."):
                raise InputError(
                    f"{path} is {version}, expected v3.x; convert it with LeRobot's lerobot.scripts.convert_dataset_v21_to_v30"
                )
            missing = [key for key in (STATE, ACTION) if key not in features]
            if missing:
                raise InputError(f"{path} has no feature {' and '.join(missing)}; it has {', '.join(features)}")
            self._info = info
        return self._info

    @property
    def cameras(self) -> dict[str, str]:
        """Camera feature → `video` or `image`; depth maps are left out."""
        found = {key: feature["dtype"] for key, feature in self.info["features"].items() if feature["dtype"] in ("video", "image")}
        return {key: kind for key, kind in found.items() if not _is_depth(self.info["features"][key])}

    def names(self, feature: str) -> tuple[str, ...]:
        """What a vector feature's values are called; `<feature>.0`, … where the file does not say."""
        content = self.info["features"][feature]
        names = content.get("names")
        if isinstance(names, dict):  # {"motors": [...]} in older recordings, [[...]] in some converted ones
            names = list(names.values())
        if isinstance(names, list):
            names = [name for part in names for name in (part if isinstance(part, list) else [part])]
        size = int(content["shape"][0])
        if not isinstance(names, list) or len(names) != size or not all(isinstance(name, str) for name in names):
            return tuple(f"{feature}.{index}" for index in range(size))
        return tuple(names)

    def units(self) -> Sequence[Unit]:
        """Runs of up to 32 episodes of one data file."""
        units: list[Unit] = []
        run: list[dict] = []
        for row in [*self._episode_rows(), None]:
            if run and (row is None or len(run) == EPISODES_A_UNIT or _file(row) != _file(run[0])):
                units.append(Unit(self.name, f"{run[0]['episode_index']:06d}-{run[-1]['episode_index']:06d}", len(run)))
                run = []
            if row is not None:
                run.append(row)
        return units

    def episodes(self, unit: Unit, damage: Damage, only: Collection[str] | None = None) -> Iterator[Episode]:
        first, last = (int(part) for part in unit.key.split("-"))
        for row in self._episode_rows():
            if first <= row["episode_index"] <= last and (only is None or _id(row) in only):
                where = f"{self.name} episode {row['episode_index']}"
                try:
                    yield self._episode(row)
                except Damaged as error:
                    damage.skip(f"{where} ({error})", error.reason)

    def _episode_rows(self) -> list[dict]:
        if self._rows is None:
            files = sorted((self.root / "meta" / "episodes").glob("chunk-*/file-*.parquet"))
            if self.info and not files:
                raise InputError(f"no meta/episodes/chunk-*/file-*.parquet below {self.root}: {self.get}")
            rows: list[dict] = []
            for file in files:
                try:
                    columns = [name for name in pq.read_schema(file).names if not name.startswith("stats/")]
                    rows += pq.read_table(file, columns=columns).to_pylist()
                except _READ_ERRORS as error:
                    raise InputError(f"cannot read {file}: {error}") from error
            self._rows = sorted(rows, key=lambda row: row["episode_index"])
        return self._rows

    def _episode(self, row: dict) -> Episode:
        index, path = row["episode_index"], self._path("data_path", *_file(row))
        table = _rows_of(path, index, (STATE, ACTION, "timestamp", "frame_index"))
        if table.num_rows != row["length"]:
            raise Damaged("steps missing from the data file", f"{path} has {table.num_rows} of {row['length']} steps of episode {index}")
        order = np.argsort(table["frame_index"].to_numpy())
        times = table["timestamp"].to_numpy().astype(float)[order]
        cameras = {}
        for camera, kind in self.cameras.items():
            if kind == "image":
                cameras[camera] = partial(_embedded, path, index, camera)
                continue
            start = row.get(f"videos/{camera}/from_timestamp")
            place = (row.get(f"videos/{camera}/chunk_index"), row.get(f"videos/{camera}/file_index"))
            if start is None or None in place:
                raise Damaged("video of a camera is not listed", f"camera {camera!r} of episode {index}")
            cameras[camera] = partial(_video, self._path("video_path", *place, video_key=camera), start + times, 0.4 / self.info["fps"])
        return Episode(
            id=_id(row),
            data_set=self.name,
            instructions=tuple(task for task in row.get("tasks") or () if task.strip()),
            proprio=_matrix(table[STATE])[order],
            actions=_matrix(table[ACTION])[order],
            proprio_names=self.names(STATE),
            action_names=self.names(ACTION),
            rate_hz=float(self.info["fps"]),
            cameras=cameras,
            times=times,
        )

    def _path(self, template: str, chunk_index: int, file_index: int, **words: str) -> Path:
        return self.root / self.info[template].format(chunk_index=chunk_index, file_index=file_index, **words)


def _is_depth(feature: dict) -> bool:
    info = {**(feature.get("video_info") or {}), **(feature.get("info") or {})}
    return bool(info.get("is_depth_map") or info.get("video.is_depth_map"))


def _id(row: dict) -> str:
    return f"{row['episode_index']:06d}"


def _file(row: dict) -> tuple[int, int]:
    return row["data/chunk_index"], row["data/file_index"]


def _matrix(column: pa.ChunkedArray) -> np.ndarray:
    values = column.to_pylist()  # a nested null or a short row must not pass as a flat array of the right size
    try:
        matrix = np.array(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise Damaged("a step has values missing", str(error)) from error
    return matrix[:, None] if matrix.ndim == 1 else matrix


def _rows_of(path: Path, episode: int, columns: Sequence[str]) -> pa.Table:
    try:
        return pq.read_table(path, columns=list(columns), filters=[("episode_index", "==", episode)], partitioning=None)
    except FileNotFoundError as error:
        raise Damaged("data file is missing", str(path)) from error
    except _READ_ERRORS as error:
        raise Damaged("data file cannot be read", f"{path}: {error}") from error


def _embedded(path: Path, episode: int, camera: str, steps: Sequence[int]) -> Iterator[np.ndarray]:
    table = _rows_of(path, episode, (camera, "frame_index"))
    column = table[camera].take(np.argsort(table["frame_index"].to_numpy()))
    for step in steps:
        cell = column[step].as_py() or {}
        if not cell.get("bytes"):
            raise Damaged(
                "picture is not in the data file", f"{camera} of step {step}, episode {episode}; the file names {cell.get('path')!r}"
            )
        yield decode_picture(cell["bytes"], f"{camera} of step {step}, episode {episode}")


def _video(path: Path, times: np.ndarray, tolerance: float, steps: Sequence[int]) -> Iterator[np.ndarray]:
    if not path.is_file():
        raise Damaged("video file is missing", str(path))
    return frames_at(path, [float(times[step]) for step in steps], tolerance)
