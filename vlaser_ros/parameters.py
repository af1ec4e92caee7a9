"""Declaring parameters with description, type, range and choices, and saying when each may be changed.

Three kinds: fixed for the node's life (read-only), read when a lifecycle node is configured, and live. The second and
third are dataclasses whose fields are made by `parameter`; `declare_group` declares them, `read_group` takes a snapshot.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.parameter import Parameter

from vlaser_core.errors import ConfigError

Value = TypeVar("Value", bool, int, float, str, list)
Group = TypeVar("Group")

FIXED, CONFIGURED, LIVE = "fixed at start", "read by configure; to change it, clean the node up first", "may change at any time"


@dataclasses.dataclass(frozen=True)
class Rule:
    """What a parameter's value must satisfy beside its type. check: says what is wrong with a value, or None."""

    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    check: Callable[[Any], str | None] | None = None

    def fault(self, value: object) -> str | None:
        """Why `value` cannot be taken; None when it can. The range is the descriptor's to check."""
        numbers = value if isinstance(value, (list, tuple)) else [value]
        if any(isinstance(number, float) and not math.isfinite(number) for number in numbers):
            return f"is {value}, expected finite numbers"
        if self.choices and value not in self.choices:
            return f"is {value!r}, expected {' or '.join(self.choices)}"
        return self.check(value) if self.check else None

    def descriptor(self, default: object, when: str) -> ParameterDescriptor:
        """The descriptor that `ros2 param describe` shows."""
        made = ParameterDescriptor(description=self.description, read_only=when == FIXED)
        made.additional_constraints = when + (f"; one of: {', '.join(self.choices)}" if self.choices else "")
        if self.low is None and self.high is None:
            return made
        if isinstance(default, int):
            made.integer_range = [IntegerRange(from_value=int(self.low or 0), to_value=int(self.high if self.high is not None else 2**31))]
        else:
            made.floating_point_range = [FloatingPointRange(from_value=float(self.low or 0.0), to_value=float(self.high if self.high is not None else 1e9))]
        return made


def parameter(default, description: str, **rule) -> Any:
    """A dataclass field that is a parameter of the same name. rule: as `Rule`."""
    metadata = {"rule": Rule(description, **rule)}
    if isinstance(default, list):
        return dataclasses.field(default_factory=lambda: list(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def declare(node, name: str, default: Value, description: str, *, low: float | None = None, high: float | None = None) -> Value:
    """Declare and return a read-only parameter. Raises ConfigError naming the parameter when the value has a wrong type or range."""
    return _declare(node, name, default, Rule(description, low=low, high=high), FIXED)


def declare_group(node, group: type, when: str) -> None:
    """Declare every field of a dataclass of `parameter`s. Raises ConfigError as `declare` does."""
    for field, rule, default in _fields(group):
        _declare(node, field, default, rule, when)


def read_group(node, group: type[Group]) -> Group:
    """The parameters' present values."""
    return group(**{name: node.get_parameter(name).value for name, _, _ in _fields(group)})


def guard_changes(node, groups: dict[type, Callable[[], str | None]], changed: Callable[[], None]) -> None:
    """Refuse changes with a reason. groups: dataclass → why its parameters may not change now, or None. changed: called after each change.

    An integer given for a floating-point parameter is taken as one: `ros2 param set` makes 30 out of `30`, whatever the type.
    """
    rules = {name: (rule, locked) for group, locked in groups.items() for name, rule, _ in _fields(group)}
    doubles = {name for group in groups for name, _, default in _fields(group) if _is_float(default)}

    def before(parameters: list[Parameter]) -> list[Parameter]:
        return [_as_float(one) if one.name in doubles else one for one in parameters]

    def during(parameters: list[Parameter]) -> SetParametersResult:
        for one in parameters:
            if one.name not in rules:
                continue
            rule, locked = rules[one.name]
            reason = locked()
            fault = rule.fault(one.value)
            if reason or fault:
                return SetParametersResult(successful=False, reason=f"parameter {one.name!r} {reason or fault}")
        return SetParametersResult(successful=True)

    node.add_pre_set_parameters_callback(before)
    node.add_on_set_parameters_callback(during)
    node.add_post_set_parameters_callback(lambda _parameters: changed())


def _fields(group: type) -> list[tuple[str, Rule, Any]]:
    return [
        (field.name, field.metadata["rule"], field.default if field.default is not dataclasses.MISSING else field.default_factory())
        for field in dataclasses.fields(group)
    ]


def _is_float(default: object) -> bool:
    return isinstance(default, float) or isinstance(default, list) and bool(default) and isinstance(default[0], float)


def _as_float(one: Parameter) -> Parameter:
    value = one.value
    if isinstance(value, int) and not isinstance(value, bool):
        return Parameter(one.name, value=float(value))
    if isinstance(value, (list, tuple)) or type(value).__name__ == "array":
        numbers = list(value)
        if numbers and all(isinstance(number, int) and not isinstance(number, bool) for number in numbers):
            return Parameter(one.name, value=[float(number) for number in numbers])
    return one


def _declare(node, name: str, default: Value, rule: Rule, when: str) -> Value:
    override = node._parameter_overrides.get(name)
    # `0` on a command line is an integer to YAML; where a float is declared the intent is plain.
    if override is not None and _is_float(default):
        node._parameter_overrides[name] = _as_float(override)
    try:
        value = node.declare_parameter(name, default, rule.descriptor(default, when)).value
    except Exception as error:  # rclpy raises several types here, all about this one value
        raise ConfigError(f"parameter {name!r} ({rule.description}): {error}") from error
    fault = rule.fault(value)
    if fault:
        raise ConfigError(f"parameter {name!r} {fault} ({rule.description})")
    return value
