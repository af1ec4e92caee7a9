"""Weight files read tensor by tensor, so that a checkpoint never stands in memory beside the model it becomes.

    tensors = Tensors.of_files([Path("model-00001-of-00002.safetensors"), Path("model-00002-of-00002.safetensors")])
    tensors["language_model.lm_head.weight"].shape, tensors.read("language_model.lm_head.weight")

Names, shapes and types come from headers; only `read` touches weights. What was read stays mapped until some dozen
megabytes have gathered, then the file is opened anew, which gives its pages back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError, safe_open

from vlaser_core.errors import CheckpointError

RELEASE_BYTES = 64 * 2**20
_DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
SUFFIXES = (".safetensors", ".bin", ".pt", ".pth")


@dataclass(frozen=True)
class Entry:
    """What a header says of one tensor, and the file it is in."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    file: str

    @property
    def count(self) -> int:
        return int(torch.Size(self.shape).numel())

    @property
    def bytes(self) -> int:
        return self.count * self.dtype.itemsize


class _Shard(Protocol):
    def entries(self) -> dict[str, Entry]: ...

    def read(self, name: str) -> torch.Tensor: ...

    def release(self) -> None: ...


class _SafetensorsShard:
    def __init__(self, path: Path) -> None:
        self._path, self._file = path, None

    def _opened(self):
        if self._file is None:
            try:
                # Opening compares the file's length with its header: a truncated file is refused here.
                self._file = safe_open(self._path, framework="pt")
            except (SafetensorError, OSError) as error:
                raise CheckpointError(f"cannot read {self._path} (truncated or not safetensors): {error}") from error
        return self._file

    def entries(self) -> dict[str, Entry]:
        found = {}
        for name in self._opened().keys():  # noqa: SIM118 - not a mapping
            piece = self._opened().get_slice(name)
            if piece.get_dtype() not in _DTYPES:
                raise CheckpointError(f"{self._path}: {name} is {piece.get_dtype()}; known: {', '.join(_DTYPES)} (no quantised weights)")
            found[name] = Entry(tuple(piece.get_shape()), _DTYPES[piece.get_dtype()], str(self._path))
        return found

    def read(self, name: str) -> torch.Tensor:
        return self._opened().get_tensor(name)

    def release(self) -> None:
        self._file = None


class _TorchShard:
    """A file of `torch.save`, mapped and read with weights_only: anything but tensors and plain values is refused."""

    def __init__(self, path: Path) -> None:
        self._path, self._state = path, None

    def _opened(self) -> dict[str, torch.Tensor]:
        if self._state is None:
            try:
                content = torch.load(self._path, map_location="cpu", weights_only=True, mmap=True)
            except Exception as error:  # torch.load raises many kinds for damaged or unsafe files
                raise CheckpointError(f"cannot read {self._path}: {_why_unreadable(error)}") from error
            # Training states keep the weights under `model`, beside the optimizer.
            state = content.get("model", content) if isinstance(content, dict) else content
            if not isinstance(state, dict) or not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
                raise CheckpointError(f"{self._path} holds no dictionary of tensors, nor one under `model`")
            self._state = state
        return self._state

    def entries(self) -> dict[str, Entry]:
        return _entries(self._opened(), str(self._path))

    def read(self, name: str) -> torch.Tensor:
        return self._opened()[name]

    def release(self) -> None:
        self._state = None


def _why_unreadable(error: Exception) -> str:
    """In one line and in our words: torch's own go on to tell how to run what is in the file."""
    told = str(error)
    if asked := re.search(r"GLOBAL (\S+)", told):
        return f"it holds more than tensors (it asks for {asked[1]}); nothing of it was run"
    if "mmap can only be used" in told:
        return "damaged, or not of torch.save since version 1.6 (a zip archive), which can be read in parts; save it again"
    return f"damaged, {told.splitlines()[0].split('. ')[0] if told else type(error).__name__}"


class _MemoryShard:
    def __init__(self, state: Mapping[str, torch.Tensor], where: str) -> None:
        self._state, self._where = state, where

    def entries(self) -> dict[str, Entry]:
        return _entries(self._state, self._where)

    def read(self, name: str) -> torch.Tensor:
        return self._state[name]

    def release(self) -> None:
        """Nothing is mapped."""


def _entries(state: Mapping[str, torch.Tensor], where: str) -> dict[str, Entry]:
    for name, tensor in state.items():
        if tensor.dtype not in _DTYPES.values():
            raise CheckpointError(
                f"{where}: {name} is {tensor.dtype}; known: {', '.join(map(str, _DTYPES.values()))} (no quantised weights)"
            )
    return {name: Entry(tuple(tensor.shape), tensor.dtype, where) for name, tensor in state.items()}


class Tensors(Mapping[str, Entry]):
    """Names and headers of all tensors of a checkpoint; torch.compile's mark `_orig_mod.` is taken out of the names."""

    def __init__(self, shards: Sequence[_Shard], where: str) -> None:
        self.where = where
        self._entries: dict[str, Entry] = {}
        self._places: dict[str, tuple[_Shard, str]] = {}
        self._read_bytes = 0
        for shard in shards:
            for stored, entry in shard.entries().items():
                name = stored.replace("_orig_mod.", "")
                if name in self._entries:
                    raise CheckpointError(
                        f"{where}: {name} is in {self._entries[name].file} and in {entry.file}; remove the file that does not belong"
                    )
                self._entries[name], self._places[name] = entry, (shard, stored)

    @classmethod
    def of_files(cls, files: Sequence[Path], where: str | None = None) -> Tensors:
        """The tensors of weight files. Raises CheckpointError naming a file that is damaged or holds more than tensors."""
        shards: list[_Shard] = [_SafetensorsShard(path) if path.suffix == ".safetensors" else _TorchShard(path) for path in files]
        return cls(shards, where or (str(files[0]) if len(files) == 1 else str(files[0].parent)))

    @classmethod
    def of_folder(cls, folder: Path) -> Tensors:
        """The tensors of a published folder: the shards its index lists, else all *.safetensors, else all *.bin.

        Raises CheckpointError naming a shard that is absent or lacks a tensor the index promises.
        """
        for index in (folder / "model.safetensors.index.json", folder / "pytorch_model.bin.index.json"):
            if index.is_file():
                return cls._of_index(folder, index)
        for pattern in ("*.safetensors", "*.bin"):
            # Trainers leave their arguments beside the weights under the same suffix.
            files = sorted(file for file in folder.glob(pattern) if file.name != "training_args.bin")
            if files:
                return cls.of_files(files, str(folder))
        raise CheckpointError(f"{folder} has no weights (*.safetensors or *.bin)")

    @classmethod
    def _of_index(cls, folder: Path, index: Path) -> Tensors:
        try:
            promised = dict(json.loads(index.read_text(encoding="utf-8"))["weight_map"])
        except (OSError, json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"cannot read the list of shards {index}: {error!r}") from error
        names = sorted(set(promised.values()))
        # A name with a folder in it could point anywhere on the machine.
        if any(not isinstance(name, str) or Path(name).name != name for name in names):
            raise CheckpointError(f"{index}: shards are file names in the same folder, got {names[:3]}")
        absent = [name for name in names if not (folder / name).is_file()]
        if absent:
            raise CheckpointError(f"{folder} lacks {len(absent)} of the {len(names)} weight files its index lists: {absent[:3]}")
        tensors = cls.of_files([folder / name for name in names], str(folder))
        for name, file in promised.items():
            if name.replace("_orig_mod.", "") not in tensors:
                raise CheckpointError(f"{folder / file} lacks {name}, which {index.name} promises")
        return tensors

    @classmethod
    def of_state(cls, state: Mapping[str, torch.Tensor], where: str) -> Tensors:
        """Tensors that are in memory already."""
        return cls([_MemoryShard(state, where)], where)

    def __getitem__(self, name: str) -> Entry:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def read(self, name: str) -> torch.Tensor:
        """The tensor on the CPU, as stored. It may be a view of the file: copy what is to stay, and let go of it."""
        shard, stored = self._places[name]
        if self._read_bytes > RELEASE_BYTES:
            for opened, _ in self._places.values():
                opened.release()
            self._read_bytes = 0
        self._read_bytes += self._entries[name].bytes
        return shard.read(stored)

    def shape(self, name: str, dims: int) -> tuple[int, ...]:
        """Shape of a tensor that sizes are read from. Raises CheckpointError when it is absent or has other dimensions."""
        if name not in self._entries:
            raise CheckpointError(f"{self.where} lacks {name}")
        shape = self._entries[name].shape
        if len(shape) != dims:
            raise CheckpointError(f"{self._entries[name].file}: {name} has shape {shape}, expected {dims} dimensions")
        return shape

    def layers(self, prefix: str) -> int:
        """How many consecutive layers stand under `prefix` (which ends before the index)."""
        found = {name[len(prefix) :].split(".")[0] for name in self if name.startswith(prefix)}
        return next(index for index in range(len(found) + 1) if str(index) not in found)

    def main_dtype(self) -> torch.dtype:
        """The type that most weights are stored in."""
        sizes: dict[torch.dtype, int] = {}
        for entry in self._entries.values():
            sizes[entry.dtype] = sizes.get(entry.dtype, 0) + entry.count
        return max(sizes, key=sizes.__getitem__)
