"""The learning rate upstream's policy was trained with: linear warm-up, then cosine cycles that restart."""

from __future__ import annotations

import math

from vlaser_core.errors import ConfigError


def upstream_learning_rate(update: int, *, cycle: int, warmup: int, maximum: float, minimum: float = 1e-8) -> float:
    """The rate of update 0, 1, 2, … Each cycle of `cycle` updates warms up for `warmup` of them.

    Upstream sets the rate before it counts the step, so the first two updates both run at the minimum.
    """
    if update < 0 or not 0 <= warmup < cycle:
        raise ConfigError(f"a schedule needs update >= 0 and 0 <= warmup < cycle; got update {update}, warmup {warmup}, cycle {cycle}")
    step = max(0, update - 1) % cycle
    if step < warmup:
        return minimum + (maximum - minimum) * step / warmup
    return minimum + (maximum - minimum) * 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / (cycle - warmup)))
