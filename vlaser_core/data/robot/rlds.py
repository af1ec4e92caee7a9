"""RLDS data sets as TensorFlow Datasets writes them: TFRecord shards, read without TensorFlow.

    <name>/<version>/dataset_info.json     file format, splits, shard lengths, the shards' name template
    <name>/<version>/features.json         the tree of features: shapes, types, encodings
    <name>/<version>/<name>-train.tfrecord-00000-of-01024

One record is one episode; the feature `steps/observation/state` of shape (7,) is a flat list of T·7 floats, a picture or
a text is T byte strings. Layout: tensorflow/datasets, `core/example_serializer.py` and `core/features`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.robot.tfrecord import parse_example, read_records
from vlaser_core.errors import InputError


@dataclass(frozen=True)
class Leaf:
    """A feature's kind (`tensor`, `image`, `text`), the shape of one value, and its type's name."""

    kind: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Shard:
    """A TFRecord file of a split and the number of episodes it is said to hold."""

    split: str
    path: Path
    episodes: int


def find_version(root: Path, name: str, get: str) -> Path:
    """The folder with dataset_info.json: root/<name> or root itself, or the newest version (1.0.0) below either."""
    for folder in (root / name, root):
        if (folder / "dataset_info.json").is_file():
            return folder
        versions = [path.parent for path in folder.glob("*.*.*/dataset_info.json")]
        if versions:
            return max(versions, key=lambda path: tuple(int(part) if part.isdigit() else -1 for part in path.name.split(".")))
    raise InputError(f"no {name}/<version>/dataset_info.json below {root}: {get}")


def _json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}") from error


def read_features(folder: Path) -> dict[str, Leaf]:
    """Flat name (`steps/observation/image_0`) → what it holds, from features.json. Raises InputError."""
    path = folder / "features.json"
    leaves: dict[str, Leaf] = {}

    def walk(node: dict, name: str) -> None:
        if "featuresDict" in node:
            for key, child in node["featuresDict"].get("features", {}).items():
                walk(child, f"{name}/{key}" if name else key)
        elif "sequence" in node:
            walk(node["sequence"]["feature"], name)
        else:
            kind = next((kind for kind in ("image", "text", "tensor") if kind in node), "tensor")
            content = node.get(kind, {})
            if kind == "tensor" and content.get("encoding", "none").lower() not in ("none", ""):
                kind = "encoded"
            shape = tuple(int(size) for size in content.get("shape", {}).get("dimensions", []))
            leaves[name] = Leaf(kind, shape, content.get("dtype", "string" if kind == "text" else ""))

    try:
        walk(_json(path), "")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is not a features file of TensorFlow Datasets: {error!r}") from error
    if not any(name.startswith("steps/") for name in leaves):
        raise InputError(f"{path} has no `steps`; expected an RLDS data set, found {', '.join(leaves) or 'nothing'}")
    return leaves


def read_shards(folder: Path) -> list[Shard]:
    """The shards that dataset_info.json announces, in order; whether each exists is for the reader to say."""
    path = folder / "dataset_info.json"
    info = _json(path)
    if info.get("fileFormat", "tfrecord") != "tfrecord":
        raise InputError(f"{path}: file format {info['fileFormat']!r}, expected tfrecord")
    shards = []
    try:
        for split in info["splits"]:
            lengths = [int(length) for length in split.get("shardLengths", [])]
            template = split.get("filepathTemplate") or "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
            for index, length in enumerate(lengths):
                words = {
                    "DATASET": info["name"],
                    "SPLIT": split["name"],
                    "FILEFORMAT": "tfrecord",
                    "SHARD_INDEX": f"{index:05d}",
                    "NUM_SHARDS": f"{len(lengths):05d}",
                    "SHARD_X_OF_Y": f"{index:05d}-of-{len(lengths):05d}",
                }
                shards.append(Shard(split["name"], folder / template.format(**words), length))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is not a description of TensorFlow Datasets: {error!r}") from error
    return shards


class RldsEpisode:
    """One parsed record: its features by name, in arrays with the steps first."""

    def __init__(self, raw: dict[str, list[bytes] | np.ndarray], leaves: dict[str, Leaf]) -> None:
        self._raw, self._leaves = raw, leaves

    def has(self, name: str) -> bool:
        return name in self._raw and name in self._leaves

    def array(self, name: str) -> np.ndarray:
        """A numeric feature (T, *shape) as float64. Raises Damaged when it is missing or of a wrong length."""
        values, leaf = self._value(name), self._leaves[name]
        if isinstance(values, list):
            raise Damaged("feature is not numeric", f"{name} is stored as {leaf.kind} of {leaf.dtype}")
        size = int(np.prod(leaf.shape, dtype=int)) if leaf.shape else 1
        if size <= 0 or len(values) % size:
            raise Damaged("feature of a wrong length", f"{name} has {len(values)} values for a shape of {leaf.shape}")
        return values.astype(float).reshape(-1, *leaf.shape)

    def strings(self, name: str) -> list[bytes]:
        """A feature of texts or encoded pictures, one a step."""
        values = self._value(name)
        if not isinstance(values, list):
            raise Damaged("feature is not text", f"{name} holds numbers")
        return values

    def _value(self, name: str) -> list[bytes] | np.ndarray:
        if not self.has(name):
            raise Damaged("feature is missing", f"{name}; the record has {', '.join(sorted(self._raw)[:12])}")
        return self._raw[name]


def read_shard(shard: Shard, leaves: dict[str, Leaf], only: Collection[int] | None = None) -> Iterator[tuple[int, RldsEpisode | Damaged]]:
    """(number, episode) of a shard; what cannot be read comes as the Damaged that says why, a short shard included. only: the
    records of these numbers."""
    if not shard.path.is_file():
        yield 0, Damaged("shard is missing", f"{shard.path}, {shard.episodes} episodes")
        return
    number = -1
    for number, record in enumerate(read_records(shard.path, only)):
        if record is None:
            continue
        if isinstance(record, Damaged):
            yield number, record
            continue
        try:
            yield number, RldsEpisode(parse_example(record), leaves)
        except Damaged as error:
            yield number, error
    if number + 1 < shard.episodes:
        yield number + 1, Damaged("shard is shorter than announced", f"{shard.path.name}: {number + 1} of {shard.episodes} episodes")
