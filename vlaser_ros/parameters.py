"""Declaring parameters with a description, a range, and read-only unless said otherwise."""

from __future__ import annotations

from typing import TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

from vlaser_core.errors import ConfigError

Value = TypeVar("Value", bool, int, float, str, list)


def declare(node, name: str, default: Value, description: str, *, low: float | None = None, high: float | None = None) -> Value:
    """Declare and return a parameter. Raises ConfigError naming the parameter when the value has a wrong type or range."""
    descriptor = ParameterDescriptor(description=description, read_only=True)
    if low is not None or high is not None:
        if isinstance(default, int):
            descriptor.integer_range = [IntegerRange(from_value=int(low or 0), to_value=int(high if high is not None else 2**31))]
        else:
            descriptor.floating_point_range = [FloatingPointRange(from_value=float(low or 0.0), to_value=float(high if high is not None else 1e9))]
    override = node._parameter_overrides.get(name)
    # `0` on a command line is an integer to YAML; where a float is declared the intent is plain.
    if isinstance(default, float) and override is not None and isinstance(override.value, int) and not isinstance(override.value, bool):
        node._parameter_overrides[name] = type(override)(name, value=float(override.value))
    try:
        return node.declare_parameter(name, default, descriptor).value
    except Exception as error:  # rclpy raises several types here, all about this one value
        raise ConfigError(f"parameter {name!r} ({description}): {error}") from error
