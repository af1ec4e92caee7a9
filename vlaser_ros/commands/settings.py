"""`name:=value` arguments, as `ros2 launch` takes them."""

from __future__ import annotations

from collections.abc import Sequence

from vlaser_core.errors import InputError


def read_settings(settings: Sequence[str]) -> dict[str, str]:
    """Names and values, the values as text. Raises InputError for one without `:=` and for a name given twice."""
    read: dict[str, str] = {}
    for setting in settings:
        name, assigned, value = setting.partition(":=")
        if not assigned or not name:
            raise InputError(f"{setting!r} is not name:=value")
        if name in read:
            raise InputError(f"{name!r} is given twice")
        read[name] = value
    return read
