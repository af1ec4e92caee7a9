"""Pictures as the vision tower takes them: stretched to a square, ImageNet mean and standard deviation."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from vlaser_core.errors import InputError

_MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
_STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
_RESAMPLE = {"lanczos4": cv2.INTER_LANCZOS4, "area": cv2.INTER_AREA}


def check_image(image: np.ndarray, what: str = "image") -> np.ndarray:
    """`image` itself, if it is RGB uint8 (height, width, 3) of at least 8 pixels a side; else InputError."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < 8:
        got = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise InputError(f"{what} must be RGB uint8 (height, width, 3) of at least 8 × 8 pixels, got {got}")
    return image


def square(image: np.ndarray, size: int, resample: str = "lanczos4") -> np.ndarray:
    """RGB uint8 (size, size, 3): the whole picture stretched to the square, its aspect not kept (as upstream does)."""
    check_image(image)
    if image.shape[:2] == (size, size):
        return image
    return cv2.resize(image, (size, size), interpolation=_RESAMPLE[resample])


def normalise_pixels(images: np.ndarray) -> torch.Tensor:
    """RGB uint8 (N, S, S, 3) → float32 (N, 3, S, S), scaled to 0…1 and normalised."""
    pixels = torch.from_numpy(np.require(images, requirements=("C", "W"))).permute(0, 3, 1, 2).float() * (1.0 / 255.0)
    return (pixels - _MEAN) / _STD
