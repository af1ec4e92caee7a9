"""Interbotix's message package, which comes with its driver and not with this one."""

from __future__ import annotations

from types import SimpleNamespace

from vlaser_core.errors import ConfigError

# What the driver uses of each definition, field → type as rosidl names it. A test holds the real package to this.
USED_FIELDS = {
    "JointGroupCommand": {"name": "string", "cmd": "sequence<float>"},
    "JointSingleCommand": {"name": "string", "cmd": "float"},
    "RobotInfo.Request": {"cmd_type": "string", "name": "string"},
    "RobotInfo.Response": {
        "mode": "string",
        "profile_type": "string",
        "joint_names": "sequence<string>",
        "joint_lower_limits": "sequence<float>",
        "joint_upper_limits": "sequence<float>",
    },
    "RegisterValues.Request": {"cmd_type": "string", "name": "string", "reg": "string"},
    "RegisterValues.Response": {"values": "sequence<int32>"},
}


def xs_messages() -> SimpleNamespace:
    """The four interfaces as attributes. Raises ConfigError saying what to install, or which field is not as expected."""
    try:
        from interbotix_xs_msgs.msg import JointGroupCommand, JointSingleCommand
        from interbotix_xs_msgs.srv import RegisterValues, RobotInfo
    except ImportError as error:
        raise ConfigError(
            f"backend 'interbotix' speaks interbotix_xs_msgs, which cannot be imported ({error}). It comes with Interbotix's "
            "interbotix_ros_core: install and source that workspace, or use the parameter backend:=ros2_control"
        ) from error
    found = SimpleNamespace(JointGroupCommand=JointGroupCommand, JointSingleCommand=JointSingleCommand, RobotInfo=RobotInfo, RegisterValues=RegisterValues)
    if wrong := differences(found):
        raise ConfigError(f"this interbotix_xs_msgs has other definitions than the driver was written for: {'; '.join(wrong)}")
    return found


def differences(messages: SimpleNamespace) -> list[str]:
    """Fields of USED_FIELDS that `messages` lacks or has in another type, in words."""
    wrong = []
    for path, fields in USED_FIELDS.items():
        name, _, part = path.partition(".")
        kind = getattr(messages, name)
        kind = getattr(kind, part) if part else kind
        has = kind.get_fields_and_field_types()
        wrong += [f"{path}.{field} is {has.get(field, 'absent')}, expected {wanted}" for field, wanted in fields.items() if has.get(field) != wanted]
    return wrong
