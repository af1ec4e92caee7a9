"""The project's message types for rosbags, read from the interface files themselves. No rclpy.

    types = BagTypes()                           # ROS 2 Kilted's types and vlaser_msgs
    message = types.store.deserialize_cdr(data, "vlaser_msgs/msg/ActionChunk")

Type hashes and CDR bytes are those of rosidl, so what is written here reads anywhere and what rclpy received can be
written as it came.
"""

from __future__ import annotations

import re
from pathlib import Path

from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from vlaser_core.errors import ConfigError

PACKAGE = "vlaser_msgs"
_OWN_TYPE = re.compile(r"^([A-Z][A-Za-z0-9]*)(?=[\s\[])", re.MULTILINE)
_RULE = "=" * 80 + "\n"


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
        if name not in self:
            raise ConfigError(f"message type {name!r} is not known; these are ROS 2 Kilted's types and {PACKAGE}'s")
        sections: dict[str, str] = {}
        self._collect(name, sections)
        own, *others = sections.items()
        return own[1] + "".join(f"{_RULE}MSG: {key}\n{text}" for key, text in others), self.store.hash_rihs01(name)

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
        for _, (node, detail) in self.store.fielddefs[name][1]:
            if node in (Nodetype.ARRAY, Nodetype.SEQUENCE):
                node, detail = detail[0]
            if node == Nodetype.NAME:
                self._collect(detail, sections)
