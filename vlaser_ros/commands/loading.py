"""Which model a command runs, and on what: the same four options wherever a checkpoint is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vlaser_core.engine import Engine


@dataclass(frozen=True)
class Loading:
    """Options of the commands that load a model."""

    checkpoint: Path | None = None  # folder; the one that ships by default
    device: str = "cpu"  # cpu, cuda, cuda:1 …
    dtype: str = "float32"  # float32, bfloat16 or float16
    threads: int | None = None  # CPU threads, torch's choice by default

    def load(self) -> Engine:
        """The engine. Raises CheckpointError, or ConfigError for an unknown dtype or an absent device."""
        from vlaser_core.engine import Engine

        return Engine.load(self.checkpoint, self.device, self.dtype, self.threads)
