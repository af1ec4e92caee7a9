"""Pictures of a data set as the engine stores them: JPEG or PNG as they are, whole, with their size known."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from PIL import Image, UnidentifiedImageError

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.source import Picture

_KEPT = {"JPEG": (".jpg", ".jpeg"), "PNG": (".png",)}
_KEPT_MODES = {"RGB", "L", "RGBA", "P", "1", "LA", "I;16", "I"}


@dataclass(frozen=True)
class Sized:
    """A picture and its size in pixels."""

    picture: Picture
    width: int
    height: int


def sized(data: bytes, name: str) -> Sized:
    """`data` as a picture called `name`, another format than JPEG and PNG turned into PNG; a suffix is added where it lacks one that fits.

    Decoded once (JPEG at an eighth of its size), as a file that is cut off opens well and fails only then. Raises Damaged.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height, kind, mode = *image.size, image.format, image.mode
            if kind in _KEPT and mode in _KEPT_MODES:
                image.draft("L", (max(width // 8, 1), max(height // 8, 1)))
                image.load()
            else:
                buffer = io.BytesIO()
                image.convert("RGB").save(buffer, "PNG")
                data, kind = buffer.getvalue(), "PNG"
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Damaged("picture cannot be decoded", f"{name}: {error}") from error
    suffixes = _KEPT[kind]
    return Sized(Picture(name if name.lower().endswith(suffixes) else name + suffixes[0], data), width, height)


def read_picture(root: Path, relative: str, source: str) -> Sized:
    """A picture file below `root`, named `<source>/<relative>`. Raises Damaged: missing, outside `root`, or not a picture."""
    path = PurePosixPath(str(relative).replace("\\", "/"))
    if not str(relative) or path.is_absolute() or ".." in path.parts:
        raise Damaged("picture path leaves the data set", str(relative))
    try:
        data = (root / path).read_bytes()
    except FileNotFoundError as error:
        raise Damaged("picture is missing", str(root / path)) from error
    except OSError as error:
        raise Damaged("picture cannot be read", f"{root / path}: {error}") from error
    return sized(data, f"{source}/{path}")


def embedded_picture(data: bytes, source: str) -> Sized:
    """A picture that lies in a table, named after its content, so that rows that share it share the file."""
    digest = hashlib.sha256(data).hexdigest()
    return sized(data, f"{source}/{digest[:2]}/{digest[:32]}")
