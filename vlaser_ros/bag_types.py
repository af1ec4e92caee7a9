"""The project's message types for rosbags, read from the interface files themselves. Needs no rclpy.

    types = BagTypes()                           # ROS 2 Kilted's types and vlaser_msgs
    message = types.store.deserialize_cdr(data, "vlaser_msgs/msg/ActionChunk")

Type hashes and CDR bytes are those of rosidl, so what is written here reads anywhere and what rclpy received can be
written as it came.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from vlaser_core.errors import ConfigError

PACKAGE = "vlaser_msgs"
_OWN_TYPE = re.compile(r"^([A-Z][A-Za-z0-9]*)(?=[\s\[])", re.MULTILINE)
_RULE = "=" * 80 + "\n"


def message_class(name: str) -> type | None:
    """The Python class of `package/msg/Name` or `package/action/Name_FeedbackMessage`; None when it is not installed."""
    package, kind, type_name = name.split("/")
    try:
        module = importlib.import_module(f"{package}.{kind}")
    except ModuleNotFoundError:
        return None
    if kind == "action" and type_name.endswith("_FeedbackMessage"):
        action = getattr(module, type_name.removesuffix("_FeedbackMessage"), None)
        return None if action is None else action.Impl.FeedbackMessage
    return getattr(module, type_name, None)


def interface_folder() -> Path:
    """Where the interface files are: msg/ of the source tree, else the installed package. Raises ConfigError."""
    source = Path(__file__).resolve().parent.parent / "msg"
    if (source / "msg").is_dir():
        return source
    from ament_index_python import PackageNotFoundError, get_package_share_directory

    try:
        return Path(get_package_share_directory(PACKAGE))
    except PackageNotFoundError as error:
        raise ConfigError(f"{PACKAGE} is not installed: build the workspace, or `pip install ./msg`") from error


def _element(field: tuple) -> tuple:
    """A field, or what an array or sequence of it holds."""
    name, (node, detail) = field
    return name, detail[0] if node in (Nodetype.ARRAY, Nodetype.SEQUENCE) else (node, detail)


class BagTypes:
    """ROS 2 Kilted's types, every message of vlaser_msgs, and the feedback messages of its actions, in `store`."""

    def __init__(self) -> None:
        folder, types = interface_folder(), {}
        self._action_texts: dict[str, str] = {}
        for file in sorted((folder / "msg").glob("*.msg")):
            types.update(get_types_from_msg(file.read_text(encoding="utf-8"), f"{PACKAGE}/msg/{file.stem}"))
        for file in sorted((folder / "action").glob("*.action")):
            # rosbags resolves a bare name beside the type that uses it; in an action it means the package's messages.
            text = _OWN_TYPE.sub(rf"{PACKAGE}/msg/\1", file.read_text(encoding="utf-8"))
            sections = dict(zip(("Goal", "Result", "Feedback"), re.split(r"^---[ \t]*\n", text, flags=re.MULTILINE), strict=True))
            sections["FeedbackMessage"] = f"unique_identifier_msgs/msg/UUID goal_id\n{PACKAGE}/action/{file.stem}_Feedback feedback\n"
            for section, part in sections.items():
                self._action_texts[f"{PACKAGE}/action/{file.stem}_{section}"] = part
        for name, part in self._action_texts.items():
            types.update(get_types_from_msg(part, name))
        self.store = get_typestore(Stores.ROS2_KILTED)
        self.store.register(types)

    def __contains__(self, name: str) -> bool:
        return name in self.store.fielddefs

    def definition(self, name: str) -> tuple[str, str]:
        """Text definition of a type with everything it refers to, and its hash. Raises ConfigError for an unknown type.

        rosbags writes this text itself for messages, but not for types that belong to an action.
        """
        if not self.learn(name):
            raise ConfigError(f"message type {name!r} is not known; these are ROS 2 Kilted's types, {PACKAGE}'s and those of installed packages")
        sections: dict[str, str] = {}
        self._collect(name, sections)
        own, *others = sections.items()
        return own[1] + "".join(f"{_RULE}MSG: {key}\n{text}" for key, text in others), self.store.hash_rihs01(name)

    def learn(self, name: str) -> bool:
        """Whether a type is known by now: one of another installed package is read from its .msg file, with all it refers to."""
        if name in self:
            return True
        from ament_index_python import PackageNotFoundError, get_package_share_directory

        package, kind, short = name.split("/")
        try:
            file = Path(get_package_share_directory(package)) / kind / f"{short}.msg"
        except PackageNotFoundError:
            return False
        if not file.is_file():
            return False
        types = get_types_from_msg(file.read_text(encoding="utf-8"), name)
        used = {detail for _, fields in types.values() for _, (node, detail) in map(_element, fields) if node == Nodetype.NAME}
        if not all(self.learn(other) for other in used):
            return False
        self.store.register(types)
        return True

    def encode(self, message: object) -> tuple[str, bytes]:
        """Type name and CDR bytes of a message of rclpy's classes. Raises ConfigError for a type of unknown definition.

        rclpy hands out its whole buffer, whose end may be left from an earlier message; readers that check refuse that.
        """
        from rclpy.serialization import serialize_message

        package, section, *_ = type(message).__module__.split(".")
        name = f"{package}/{section}/{type(message).__name__}"
        if name not in self:
            raise ConfigError(f"message type {name!r} is not known; these are ROS 2 Kilted's types and {PACKAGE}'s")
        data, definition = serialize_message(message), self.store.get_msgdef(name)
        read = definition.deserialize_cdr_le if data[1] & 1 else definition.deserialize_cdr_be
        _, end = read(data[4:], 0, definition.cls, self.store)
        return name, data[: end + 4]

    def _collect(self, name: str, sections: dict[str, str]) -> None:
        if name in sections:
            return
        if name not in self._action_texts:
            # The first part is the type itself; the others name themselves.
            own, *others = self.store.generate_msgdef(name, ros_version=2)[0].split(_RULE)
            sections[name] = own
            for header, _, text in (other.partition("\n") for other in others):
                package, _, short = header.removeprefix("MSG: ").rpartition("/")
                sections.setdefault(f"{package.removesuffix('/msg')}/msg/{short}", text)
            return
        sections[name] = self._action_texts[name]
        for _, (node, detail) in map(_element, self.store.fielddefs[name][1]):
            if node == Nodetype.NAME:
                self._collect(detail, sections)
