"""A folder that is there whole or not at all, and where it may stand.

check_destination(Path("checkpoints/new"), source, overwrite=False)
with complete_folder(Path("checkpoints/new")) as partial:
    ...                                             # write into `partial`
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from vlaser_core.checkpoint.tensors import SUFFIXES
from vlaser_core.errors import CheckpointError


def check_destination(folder: Path, source: Path, *, overwrite: bool) -> None:
    """Raises CheckpointError unless a checkpoint made of `source` may be written at `folder`: nothing but a checkpoint is replaced."""
    home, origin = folder.resolve(), source.resolve()
    if home == origin or home in origin.parents:
        raise CheckpointError(f"{folder} {'is' if home == origin else 'holds'} the source {source} itself; choose another place")
    if not home.exists():
        return
    if not home.is_dir():
        raise CheckpointError(f"{folder} is a file, and a checkpoint is a folder; choose another place")
    if not overwrite:
        raise CheckpointError(f"{folder} exists; choose another place, or allow overwriting (--overwrite)")
    weights = any(file.suffix in SUFFIXES for file in home.iterdir())
    if any(home.iterdir()) and not (weights and (home / "config.json").is_file()):
        raise CheckpointError(f"{folder} is no checkpoint (config.json and weights), so it is not replaced; choose another place")


@contextmanager
def complete_folder(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` that takes its place when the block ends; when it does not, all is as it was before.

    One that stands there already stays until the new one is complete. A process that is killed can leave
    `.folder.unfinished` behind, which the next one removes. Raises CheckpointError where the disk is full or refuses.
    """
    # A link keeps its place, and `.` and `..` have names to write beside.
    folder = Path(folder).resolve()
    # Names that nobody gives a folder of their own, for what is found under them is removed.
    partial, old = folder.with_name(f".{folder.name}.unfinished"), folder.with_name(f".{folder.name}.replaced")
    homes = [home for home in folder.parents if not home.exists()]
    try:
        if old.exists() and not folder.exists():
            os.replace(old, folder)  # killed between the two steps below
        for left in (partial, old):
            shutil.rmtree(left, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        if folder.exists():
            os.replace(folder, old)
        os.replace(partial, folder)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if old.exists() and not folder.exists():
            os.replace(old, folder)
        for home in homes:
            if home.exists() and not any(home.iterdir()):
                home.rmdir()
        if isinstance(error, (OSError, SafetensorError)):
            raise CheckpointError(f"cannot write {folder}: {error}; nothing was left there") from error
        raise
