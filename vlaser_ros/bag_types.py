"""The project's message types for rosbags, read from the interface files themselves. No rclpy.

    store = typestore()                          # ROS 2 Kilted's types and vlaser_msgs
    message = store.deserialize_cdr(data, "vlaser_msgs/msg/ActionChunk")

Type hashes and CDR bytes are those of rosidl, so what is written here reads anywhere and what rclpy received can be
written as it came.
"""

from __future__ import annotations

import re
from pathlib import Path

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from vlaser_core.errors import ConfigError

PACKAGE = "vlaser_msgs"
_OWN_TYPE = re.compile(r"^([A-Z][A-Za-z0-9]*)(?=[\s\[])", re.MULTILINE)


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


def typestore() -> Typestore:
    """ROS 2 Kilted's types, every message of vlaser_msgs, and the feedback messages of its actions."""
    folder = interface_folder()
    types: dict = {}
    for file in sorted((folder / "msg").glob("*.msg")):
        types.update(get_types_from_msg(file.read_text(encoding="utf-8"), f"{PACKAGE}/msg/{file.stem}"))
    for file in sorted((folder / "action").glob("*.action")):
        # rosbags resolves a bare name beside the type that uses it; in an action it means the package's messages.
        text = _OWN_TYPE.sub(rf"{PACKAGE}/msg/\1", file.read_text(encoding="utf-8"))
        for section, part in zip(("Goal", "Result", "Feedback"), re.split(r"^---\s*$", text, flags=re.MULTILINE), strict=True):
            types.update(get_types_from_msg(part, f"{PACKAGE}/action/{file.stem}_{section}"))
        wrapper = f"unique_identifier_msgs/UUID goal_id\n{PACKAGE}/action/{file.stem}_Feedback feedback\n"
        types.update(get_types_from_msg(wrapper, f"{PACKAGE}/action/{file.stem}_FeedbackMessage"))
    store = get_typestore(Stores.ROS2_KILTED)
    store.register(types)
    return store
