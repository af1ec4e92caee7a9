"""Taking a model into memory, and giving the memory back."""

from __future__ import annotations

import ctypes
import gc
import sys
from pathlib import Path

from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import ConfigError
from vlaser_ros.server.settings import Setup


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
PICTURE = 32 * 2**20  # bytes; the largest that mallopt takes


def keep_pictures_memory() -> None:
    """Let the C library reuse the memory of received pictures instead of giving it back and asking again, page by page, for each.

    At 30 Hz of 640×480 that was half of an idle server's time. Models are larger and go back to the system as before.
    """
    tune = _libc("mallopt")
    if tune is not None:
        tune(M_MMAP_THRESHOLD, PICTURE)
        tune(M_TRIM_THRESHOLD, 4 * PICTURE)


def _libc(name: str):
    """A function of glibc; None with other C libraries, which manage such memory in their own ways."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None


def load_engine(setup: Setup):
    """The engine that the parameters name. Raises VlaserError subclasses saying what is wrong with them or the checkpoint."""
    if setup.engine == "stand_in":
        from vlaser_ros.stand_in import StandInEngine

        robot = load_embodiment(setup.embodiment or "widowx")
        return StandInEngine(robot, delay=setup.stand_in_delay, target=tuple(setup.stand_in_target), stride=setup.stand_in_stride)
    # Only here: a stand-in server, and every other node, runs without torch.
    from vlaser_core.engine import Engine

    engine = Engine.load(Path(setup.checkpoint) if setup.checkpoint else None, device=setup.device, dtype=setup.dtype, threads=setup.threads)
    robot = engine.embodiment
    if setup.embodiment and load_embodiment(setup.embodiment).name != robot.name:
        raise ConfigError(f"the checkpoint is for embodiment {robot.name!r}, parameter 'embodiment' says {setup.embodiment!r}")
    return engine


def spare_collector() -> None:
    """Leave what is loaded to itself until `free_memory`: going through all of it held every thread up for 40 ms, twice a minute."""
    gc.collect()
    gc.freeze()


def free_memory() -> None:
    """Return to the system what a dropped model leaves with Python, torch and the C library."""
    gc.unfreeze()
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    trim = _libc("malloc_trim")
    if trim is not None:
        trim(0)
