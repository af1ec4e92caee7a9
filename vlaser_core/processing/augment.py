"""Changes to training pictures that leave geometry alone: what a camera's light and noise do."""

from __future__ import annotations

import numpy as np


def photometric(images: np.ndarray, rng: np.random.Generator, strength: float = 1.0) -> np.ndarray:
    """RGB uint8 (N, S, S, 3) with random brightness, contrast, colour balance and noise, each picture its own."""
    count = len(images)
    gain = 1.0 + strength * rng.uniform(-0.2, 0.2, (count, 1, 1, 1)) + strength * rng.uniform(-0.06, 0.06, (count, 1, 1, 3))
    offset = strength * rng.uniform(-20, 20, (count, 1, 1, 1))
    noise = np.float32(3.0 * strength) * rng.standard_normal(images.shape, dtype=np.float32)
    changed = (images.astype(np.float32) - 128.0) * gain.astype(np.float32) + (128.0 + offset).astype(np.float32) + noise
    return np.clip(changed, 0, 255).astype(np.uint8)
