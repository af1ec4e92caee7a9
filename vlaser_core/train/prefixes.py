"""A frozen backbone reads a picture once: its keys and values are kept in a file and read by index from then on.

    store = PrefixStore.open(folder, count=len(samples), model=model, tokens=40, identity="what they were made of")
    store.fill(model, rows, ids_BT, mask_BT, pixels)
    prefix = store.read(rows)

The file is mapped, not loaded: memory stays bounded whatever the number of samples. Its place is reserved before the first
prefix is computed, so that a disk that is too small is told at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from vlaser_core.errors import InputError
from vlaser_core.model.vlaser import Prefix, Vlaser

_WITHOUT = -1  # in place of a length: a sample whose picture could not be read


class PrefixStore:
    """N rows of keys and values (layers, 2, kv_heads, T, head_dim) in half precision: bfloat16 of a bfloat16 model, else float16."""

    def __init__(self, folder: Path, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        self.folder, self.shape, self.dtype = folder, shape, dtype
        self._values = np.memmap(folder / "values.bin", np.uint16, "r+", shape=shape)
        self._lengths = np.memmap(folder / "lengths.bin", np.int32, "r+", shape=shape[:1])

    @classmethod
    def open(cls, folder: Path, count: int, model: Vlaser, tokens: int, identity: str) -> PrefixStore:
        """The store of that identity, with what it holds already, or a new one in place of another's. identity: what its
        prefixes are made of, besides the model's weights. One process opens first. Raises InputError for too small a disk.
        """
        text = model.config.text
        shape = (count, text.layers, 2, text.kv_heads, tokens, text.head_dim)
        dtype = torch.bfloat16 if model.dtype == torch.bfloat16 else torch.float16
        about = {"shape": shape, "dtype": str(dtype), "identity": identity, "backbone": backbone_digest(model)}
        told = json.dumps(about) + "\n"
        try:
            if (folder / "about.json").is_file() and (folder / "about.json").read_text(encoding="utf-8") == told:
                return cls(folder, shape, dtype)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            size = 2 * int(np.prod(shape, dtype=np.int64))
            free = shutil.disk_usage(folder).free
            if size > free:
                raise InputError(_too_large(count, size, folder, free))
            for name, length in (("values.bin", size), ("lengths.bin", 4 * count)):
                with (folder / name).open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, length)
            (folder / "about.json").write_text(told, encoding="utf-8")
            return cls(folder, shape, dtype)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise InputError(f"cannot keep prefixes in {folder}: {error.strerror}; choose another --out, or --prefixes recompute") from error

    def __len__(self) -> int:
        return self.shape[0]

    def missing(self) -> np.ndarray:
        """Rows (n,) that nobody has filled yet."""
        return np.flatnonzero(np.asarray(self._lengths) == 0)

    def leave_out(self, rows: np.ndarray) -> None:
        """Mark rows that cannot have a prefix."""
        self._lengths[rows] = _WITHOUT

    @torch.no_grad()
    def fill(self, model: Vlaser, rows: np.ndarray, ids_BT: torch.Tensor, mask_BT: torch.Tensor, pixels: torch.Tensor) -> None:
        """Compute and keep the prefixes of `rows` (B,), right-padded."""
        tokens = ids_BT.shape[1]
        if tokens > self.shape[4]:
            raise InputError(f"a prefix of {tokens} tokens does not fit a store of {self.shape[4]}")
        prefix = model.prefix(ids_BT, mask_BT, pixels)
        for layer, pair in enumerate(zip(prefix.keys, prefix.values, strict=True)):
            for place, part in enumerate(pair):
                self._values[rows, layer, place, :, :tokens] = part.to(self.dtype).cpu().view(torch.uint16).numpy()
        self._lengths[rows] = prefix.mask_BT.sum(1).to(torch.int32).cpu().numpy()

    def stored(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(values (B, layers, 2, kv_heads, T, head_dim) as bits, lengths (B,)) of `rows`."""
        return np.asarray(self._values[rows]), np.asarray(self._lengths[rows])

    def read(self, rows: np.ndarray, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu") -> Prefix:
        """The prefixes of `rows` (B,), as long as the longest of them."""
        return PrefixStores([self]).read(rows, dtype, device)[0]

    def flush(self) -> None:
        """Put what was filled on the disk."""
        self._values.flush()
        self._lengths.flush()


class PrefixStores:
    """Several stores of one model and one token count, their rows one after the other."""

    def __init__(self, stores: Sequence[PrefixStore]) -> None:
        self._stores = list(stores)
        self._firsts = np.cumsum([0, *(len(store) for store in stores)])

    def read(self, rows: np.ndarray, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu") -> tuple[Prefix, np.ndarray]:
        """The prefixes of `rows` (B,), as long as the longest of them, and which rows have one (B,). One that has none is all
        padding but its first token, which keeps attention finite."""
        values, lengths = self._stored(rows)
        real = torch.from_numpy(lengths.clip(min=1))
        longest = int(real.max())
        bits = torch.from_numpy(values).view(self._stores[0].dtype)
        # Layer by layer: what is allocated then is small enough for the allocator to keep and give again.
        layers = range(self._stores[0].shape[1])
        keys, found = (tuple(bits[:, layer, place, :, :longest].to(device, dtype) for layer in layers) for place in (0, 1))
        mask = torch.arange(longest)[None] < real[:, None]
        return Prefix(keys, found, mask.to(device)), lengths > 0

    def _stored(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if len(self._stores) == 1:
            return self._stores[0].stored(rows)
        values, lengths = np.empty((len(rows), *self._stores[0].shape[1:]), np.uint16), np.empty(len(rows), np.int32)
        owner = np.searchsorted(self._firsts, rows, side="right") - 1
        for index, store in enumerate(self._stores):
            mine = owner == index
            if mine.any():
                values[mine], lengths[mine] = store.stored(rows[mine] - self._firsts[index])
        return values, lengths


def _too_large(count: int, size: int, folder: Path, free: int) -> str:
    return (
        f"the prefixes of {count} samples take {size / 1e9:.1f} GB, {folder.parent} has {free / 1e9:.1f} GB free; "
        "choose another --out, fewer episodes, or --prefixes recompute"
    )


def backbone_digest(model: Vlaser) -> str:
    """Of the weights a prefix depends on."""
    whole = hashlib.blake2b(digest_size=8)
    for name, tensor in model.backbone.state_dict().items():
        whole.update(name.encode())
        whole.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return whole.hexdigest()
