"""Files that appear whole or not at all, also when the power goes."""

from __future__ import annotations

import os
from pathlib import Path


def keep(written: Path, path: Path) -> None:
    """Move a finished file to its place; when this returns, it is on the disk under that name."""
    with written.open("rb") as file:
        os.fsync(file.fileno())
    path.parent.mkdir(parents=True, exist_ok=True)
    written.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_text(path: Path, text: str) -> None:
    """Write a small file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        written.write_text(text, encoding="utf-8")
        keep(written, path)
    finally:
        written.unlink(missing_ok=True)
