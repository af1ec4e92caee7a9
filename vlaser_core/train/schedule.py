"""Learning rates by update: the project's own, and the one upstream's policy was trained with."""

from __future__ import annotations

import math

from vlaser_core.errors import ConfigError
from vlaser_core.train.loop_config import LoopConfig


def learning_rate(config: LoopConfig, step: int) -> float:
    """The rate of update 0, 1, 2, …: linear warm-up, then by `schedule`: a cosine down to `final_ratio` of the peak at the
    last step, the peak itself, or upstream's."""
    peak = config.learning_rate
    if config.schedule == "upstream":
        return upstream_learning_rate(step, cycle=config.cycle, warmup=config.warmup, maximum=peak)
    if step < config.warmup:
        return peak * (step + 1) / config.warmup
    if config.schedule == "constant":
        return peak
    progress = (step - config.warmup) / max(1, config.steps - config.warmup)
    return peak * (config.final_ratio + (1 - config.final_ratio) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def upstream_learning_rate(update: int, *, cycle: int, warmup: int, maximum: float, minimum: float = 1e-8) -> float:
    """Upstream's: each cycle of `cycle` updates warms up for `warmup` of them, comes down on a cosine, and begins again.

    Upstream sets the rate before it counts the step, so the first two updates both run at the minimum.
    """
    if update < 0 or not 0 <= warmup < cycle:
        raise ConfigError(f"a schedule needs update >= 0 and 0 <= warmup < cycle; got update {update}, warmup {warmup}, cycle {cycle}")
    step = max(0, update - 1) % cycle
    if step < warmup:
        return minimum + (maximum - minimum) * step / warmup
    return minimum + (maximum - minimum) * 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / (cycle - warmup)))
