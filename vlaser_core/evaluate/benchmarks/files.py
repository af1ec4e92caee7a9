"""Files of benchmarks: JSON, tables, pictures, masks, frames of videos. What cannot be used raises Damaged with the reason it is counted under."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.robot.video import frames_at
from vlaser_core.data.source import Damage, Picture
from vlaser_core.data.sources.pictures import sized
from vlaser_core.errors import InputError

MISSING = "a field is missing"


def read_json(path: Path) -> Any:
    """Raises InputError for a file that is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}; fetch it again") from error


def json_list(path: Path) -> list:
    """The list that a file is. Raises InputError for anything else."""
    found = read_json(path)
    if not isinstance(found, list):
        raise InputError(f"{path} holds a {type(found).__name__}, expected a list of questions; fetch it again")
    return found


def json_lines(path: Path, damage: Damage) -> Iterator[tuple[int, dict]]:
    """(line from 0, object) of a JSON Lines file; a line that is no object is reported."""
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file):
            if not line.strip():
                continue
            try:
                found = json.loads(line)
                if not isinstance(found, dict):
                    raise ValueError(f"a {type(found).__name__}")
            except ValueError as error:
                damage.skip(f"{path.name}:{number + 1} ({error})", "a line is no JSON object")
                continue
            yield number, found


def fields(item: Any, names: Sequence[str], where: str) -> list:
    """The values of `names` in an item. Raises Damaged naming the missing ones; a null counts as missing."""
    if not isinstance(item, dict):
        raise Damaged("an item is no object", f"{where}: {type(item).__name__}")
    absent = [name for name in names if item.get(name) is None]
    if absent:
        raise Damaged(f"{MISSING}: {', '.join(absent)}", where)
    return [item[name] for name in names]


def text_field(value: Any, name: str, where: str) -> str:
    """A field's text, not empty. Raises Damaged."""
    if not isinstance(value, str) or not value.strip():
        raise Damaged(f"{name} is empty or no text", f"{where}: {value!r:.60}")
    return value


def picture(data: Any, name: str) -> Picture:
    """A picture from a table: bytes, or Hugging Face's {bytes, path}. Raises Damaged."""
    content = data.get("bytes") if isinstance(data, dict) else data
    if not isinstance(content, bytes) or not content:
        raise Damaged("a picture is missing", name)
    return sized(content, name).picture


def picture_file(path: Path) -> Picture:
    """A picture's file. Raises Damaged."""
    try:
        return sized(path.read_bytes(), path.name).picture
    except FileNotFoundError as error:
        raise Damaged("a picture is missing", str(path)) from error
    except OSError as error:
        raise Damaged("a picture cannot be read", f"{path}: {error}") from error


def pixels_of(content: bytes, name: str) -> np.ndarray:
    """A mask's values as they are stored, uint8 (H, W) or (H, W, C); a palette is its indices turned into colours. Raises Damaged."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.mode not in ("L", "RGB", "RGBA", "LA"):
                image = image.convert("RGB" if image.mode == "P" else "L")  # noqa: PLW2901 - the file is closed all the same
            return np.asarray(image, dtype=np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Damaged("a mask cannot be decoded", f"{name}: {error}") from error


def mask_file(path: Path) -> np.ndarray:
    """The values of a mask's file. Raises Damaged."""
    try:
        return pixels_of(path.read_bytes(), str(path))
    except OSError as error:
        raise Damaged("a mask is missing", str(path)) from error


class Rows:
    """The rows of Parquet files, read one row group at a time. heavy: columns that hold pictures; they are read when asked for.

    Raises InputError for a file that is no Parquet, and names the file and the columns where one is missing.
    """

    def __init__(self, paths: Iterable[Path], columns: Sequence[str], heavy: Sequence[str] = (), optional: Sequence[str] = ()) -> None:
        self._paths, self._heavy = list(paths), tuple(heavy)
        self._wanted, self._optional = tuple(columns), tuple(optional)

    def __iter__(self) -> Iterator[tuple[str, dict, tuple[Path, int, int]]]:
        """(where it stands, light columns, a key for `heavy`) of each row."""
        for path in self._paths:
            try:
                table = pq.ParquetFile(path)
            except (OSError, pa.ArrowException) as error:
                raise InputError(f"cannot read {path}: {error}; fetch it again") from error
            with table:
                names = set(table.schema_arrow.names)
                absent = [name for name in (*self._wanted, *self._heavy) if name not in names]
                if absent:
                    raise InputError(f"{path} has no column {', '.join(absent)}; it has {', '.join(sorted(names))}")
                light = [*self._wanted, *(name for name in self._optional if name in names)]
                for group in range(table.num_row_groups):
                    for row, values in enumerate(table.read_row_group(group, columns=light).to_pylist()):
                        yield f"{path.name} row group {group} row {row}", values, (path, group, row)

    def heavy(self, key: tuple[Path, int, int], column: str) -> Any:
        """The value of a heavy column. Raises Damaged where it cannot be read."""
        path, group, row = key
        try:
            return _row_group(str(path), group, column)[row].as_py()
        except (OSError, pa.ArrowException, IndexError) as error:
            raise Damaged("a row of a table cannot be read", f"{path.name} row group {group} row {row}: {error}") from error


@lru_cache(maxsize=2)
def _row_group(path: str, group: int, column: str) -> pa.ChunkedArray:
    with pq.ParquetFile(path) as table:
        return table.read_row_group(group, columns=[column]).column(0)


def frame_rate(path: Path) -> tuple[float, int]:
    """(frames a second, number of frames) of a video. Raises Damaged."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise Damaged("a video cannot be read", f"{path} has no video stream")
            stream = container.streams.video[0]
            rate, count = float(stream.average_rate or 0), stream.frames
            if not count:  # the container does not say
                count = sum(1 for _ in container.demux(stream)) - 1
    except (av.FFmpegError, OSError) as error:
        reason = "a video is missing" if isinstance(error, FileNotFoundError) else "a video cannot be read"
        raise Damaged(reason, f"{path}: {error}") from error
    if not rate or count < 1:
        raise Damaged("a video cannot be read", f"{path}: {count} frames at {rate:g} a second")
    return rate, count


def frames(path: Path, indices: Sequence[int], rate: float) -> tuple[Picture, ...]:
    """Frames by their number, ascending, as PNG; a frame asked for twice is given twice. Raises Damaged: missing, or shorter than asked."""
    distinct = list(dict.fromkeys(indices))
    try:
        found = list(frames_at(path, [_start(path) + index / rate for index in distinct], 0.51 / rate))
    except Damaged as error:
        raise Damaged("a video cannot be read" if "time" not in error.reason else "a video has no such frame", str(error)) from error
    encoded = {}
    for index, pixels in zip(distinct, found, strict=True):
        done, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1])
        if not done:
            raise Damaged("a video cannot be read", f"{path} frame {index}")
        encoded[index] = Picture(f"{path.name}/{index:06d}.png", data.tobytes())
    return tuple(encoded[index] for index in indices)


def _start(path: Path) -> float:
    """The time (s) of a video's first frame, by its own clock."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return float((stream.start_time or 0) * stream.time_base)


def evenly(first: int, last: int, count: int) -> list[int]:
    """`count` whole numbers from first to last, both included, cut off to integers as numpy does."""
    return np.linspace(first, last, count, endpoint=True, dtype=int).tolist()


def listed(count: int, word: str = "Frame") -> str:
    """The lines that number pictures in an InternVL prompt: `Frame-1: <image>` and so on."""
    return "".join(f"{word}-{number}: <image>\n" for number in range(1, count + 1))
