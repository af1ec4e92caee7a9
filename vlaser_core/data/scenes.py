"""Recorded scenes: pictures at the policy's size, proprioception, expert chunks and exact truth, in shards.

A shard is `<name>.npz` (images uint8 (n, S, S, 3) RGB; proprio (n, P) and chunks (n, H, A) in physical units) beside
`<name>.jsonl` (one `SceneTruth` a line, in the same order).
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from vlaser_core.data.truth import SceneTruth
from vlaser_core.errors import InputError

_TRUTH = TypeAdapter(SceneTruth)


@dataclass(frozen=True)
class SceneSet:
    """N scenes in memory; see the module for shapes and units."""

    images: np.ndarray
    proprio: np.ndarray
    chunks: np.ndarray
    truths: tuple[SceneTruth, ...]

    def __len__(self) -> int:
        return len(self.images)

    def where(self, keep: np.ndarray) -> SceneSet:
        """The scenes whose entry in `keep` (N,) is True."""
        return SceneSet(self.images[keep], self.proprio[keep], self.chunks[keep], tuple(t for t, k in zip(self.truths, keep, strict=True) if k))


def load_scenes(folder: Path) -> SceneSet:
    """Every shard below `folder`, in order of name. Raises InputError naming a shard that is damaged or does not match."""
    shards = sorted(Path(folder).rglob("*.npz"))
    if not shards:
        raise InputError(f"no scene shards (*.npz) below {folder}; record some first")
    parts: dict[str, list[np.ndarray]] = {"images": [], "proprio": [], "chunks": []}
    truths: list[SceneTruth] = []
    for shard in shards:
        try:
            with np.load(shard, allow_pickle=False) as arrays:
                for name, part in parts.items():
                    part.append(arrays[name])
            lines = shard.with_suffix(".jsonl").read_text(encoding="utf-8").splitlines()
            truths.extend(_TRUTH.validate_json(line) for line in lines)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile, ValidationError) as error:
            raise InputError(f"cannot read scene shard {shard}: {error}") from error
        counts = {len(part[-1]) for part in parts.values()} | {len(lines)}
        if len(counts) != 1:
            raise InputError(f"scene shard {shard} has parts of different lengths: {sorted(counts)}")
        if not (np.isfinite(parts["proprio"][-1]).all() and np.isfinite(parts["chunks"][-1]).all()):
            raise InputError(f"scene shard {shard} holds values that are not finite")
    return SceneSet(*(np.concatenate(part) for part in parts.values()), tuple(truths))
