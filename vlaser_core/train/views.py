"""What the backbone makes of training samples' pictures: for a batch, or once for all of them, kept on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from rich.console import Console
from rich.progress import Progress

from vlaser_core.model.vlaser import Prefix, Vlaser
from vlaser_core.processing.augment import photometric
from vlaser_core.processing.pixels import normalise_pixels
from vlaser_core.train.flow_data import Prompts
from vlaser_core.train.prefixes import PrefixStore
from vlaser_core.train.processes import Processes

# Rows (n,) → RGB uint8 (n, views, S, S, 3), and which rows have theirs (n,).
RowPictures = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def varied(images: np.ndarray, keys: np.ndarray, seed: int, strength: float) -> np.ndarray:
    """Pictures (n, views, S, S, 3) under random light, each by its own key (n,), whatever stands beside it."""
    if not strength:
        return images
    return np.stack([photometric(views, np.random.default_rng((seed, int(key))), strength) for views, key in zip(images, keys, strict=True)])


def look(model: Vlaser, prompts: Prompts, wording: np.ndarray, images: np.ndarray) -> Prefix:
    """The backbone over pictures (n, views, S, S, 3) and what was said (n,)."""
    ids, mask = prompts(wording)
    pixels = normalise_pixels(images.reshape(-1, *images.shape[2:]))
    return model.prefix(ids.to(model.device), mask.to(model.device), pixels.to(model.device, model.dtype))


def filled(
    store: Callable[[], PrefixStore],
    model: Vlaser,
    prompts: Prompts,
    wording: np.ndarray,
    pictures: RowPictures,
    *,
    block: int = 2048,
    strength: float = 0.5,
    seed: int = 0,
    processes: Processes = Processes(),
) -> PrefixStore:
    """The store that `store()` opens, with every prefix in it. Each process computes its share of what is missing, `block`
    pictures in memory at a time."""
    opened = processes.first(store)
    rows = np.array_split(opened.missing(), processes.count)[processes.rank]
    with Progress(disable=not processes.leader or not len(rows), console=Console(stderr=True)) as bar:
        line = bar.add_task("prefixes", total=len(rows))
        for done in fill(opened, model, prompts, wording, pictures, rows, block, strength, seed):
            bar.advance(line, done)
    processes.wait()
    return opened


def fill(
    store: PrefixStore,
    model: Vlaser,
    prompts: Prompts,
    wording: np.ndarray,
    pictures: RowPictures,
    rows: np.ndarray,
    block: int,
    strength: float,
    seed: int,
    batch: int = 64,
) -> Iterator[int]:
    """Compute the prefixes of `rows`, `block` of them in memory at a time; yields how many were done since the last."""
    for first in range(0, len(rows), block):
        wanted = rows[first : first + block]
        images, present = pictures(wanted)
        store.leave_out(wanted[~present])
        kept, images = wanted[present], images[present]
        for start in range(0, len(kept), batch):
            part = kept[start : start + batch]
            shown = varied(images[start : start + batch], part, seed, strength)
            ids, mask = prompts(wording[part])
            pixels = normalise_pixels(shown.reshape(-1, *shown.shape[2:])).to(model.device, model.dtype)
            store.fill(model, part, ids.to(model.device), mask.to(model.device), pixels)
            yield len(part)
        store.flush()
        yield len(wanted) - len(kept)
