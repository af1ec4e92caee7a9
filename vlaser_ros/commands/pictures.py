"""Picture files in and out, as RGB uint8 (height, width, 3)."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from vlaser_core.errors import InputError


def read_picture(path: Path) -> np.ndarray:
    """The picture in a file. Raises InputError when there is none, or when it is not one."""
    if not path.is_file():
        raise InputError(f"no picture file at {path}" + (" (it is a folder)" if path.is_dir() else ""))
    try:
        content = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    picture = cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
    if picture is None:
        raise InputError(f"{path} is not a picture that OpenCV can read ({len(content)} bytes)")
    return np.ascontiguousarray(picture[..., ::-1])


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write RGB uint8 in the format its name asks for. Raises InputError when that is unknown or cannot be written."""
    try:
        known, content = cv2.imencode(path.suffix or ".", np.ascontiguousarray(picture[..., ::-1]))
    except cv2.error:
        known = False
    if not known:
        raise InputError(f"cannot write a picture named {path.name!r}; use .png or .jpg")
    try:
        path.write_bytes(content.tobytes())
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
