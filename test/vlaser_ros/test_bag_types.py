from __future__ import annotations

import json
from pathlib import Path

import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from vlaser_core.errors import ConfigError
from vlaser_ros.bag_types import BagTypes, interface_folder


@pytest.fixture(scope="module")
def types() -> BagTypes:
    return BagTypes()


def test_every_interface_file_is_known(types):
    folder = interface_folder()
    names = [f"vlaser_msgs/msg/{file.stem}" for file in (folder / "msg").glob("*.msg")]
    names += [f"vlaser_msgs/action/{file.stem}_FeedbackMessage" for file in (folder / "action").glob("*.action")]
    assert len(names) > 5 and all(name in types for name in names)


def test_hashes_are_those_of_the_compiled_messages(types):
    pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")
    import vlaser_ros  # noqa: F401 - sets the ament index
    from ament_index_python import get_package_share_directory

    compared = 0
    for file in Path(get_package_share_directory("vlaser_msgs")).glob("*/*.json"):
        for entry in json.loads(file.read_text())["type_hashes"]:
            if entry["type_name"] in types and entry["type_name"].startswith("vlaser_msgs"):
                assert types.store.hash_rihs01(entry["type_name"]) == entry["hash_string"], f"{entry['type_name']}: was ./msg built again after a change?"
                compared += 1
    assert compared > 10


@pytest.mark.parametrize("name", ["vlaser_msgs/msg/ActionChunk", "vlaser_msgs/msg/PlanStep", "vlaser_msgs/action/Execute_FeedbackMessage", "sensor_msgs/msg/Image"])
def test_a_definition_alone_rebuilds_the_type(types, name):
    text, type_hash = types.definition(name)
    fresh = get_typestore(Stores.EMPTY)
    fresh.register(get_types_from_msg(text, name))
    assert fresh.hash_rihs01(name) == type_hash


def test_an_unknown_type_is_refused(types):
    with pytest.raises(ConfigError, match="nobody_msgs/msg/Thing"):
        types.definition("nobody_msgs/msg/Thing")


def test_encoded_messages_end_where_they_end(types):
    pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")
    from sensor_msgs.msg import JointState

    message = JointState(name=["waist", "shoulder", "left_finger"], position=[0.1, 0.2, 0.3])
    for _ in range(20):
        types.encode(JointState(name=["something", "longer", "before"] * 5, position=[1.0] * 15))
        name, data = types.encode(message)
        # Raises when bytes are left over.
        again = types.store.deserialize_cdr(data, name)
    assert again.name == message.name and list(again.position) == list(message.position) and len(again.velocity) == 0


def test_types_of_other_installed_packages_are_read_from_their_files(tmp_path, monkeypatch):
    pytest.importorskip("ament_index_python")
    (tmp_path / "share/ament_index/resource_index/packages").mkdir(parents=True)
    (tmp_path / "share/ament_index/resource_index/packages/servo_msgs").touch()
    (tmp_path / "share/servo_msgs/msg").mkdir(parents=True)
    (tmp_path / "share/servo_msgs/msg/Group.msg").write_text("std_msgs/Header header\nServo[] servos\nfloat32[3] gains\n")
    (tmp_path / "share/servo_msgs/msg/Servo.msg").write_text("string name\nfloat64 position\n")
    (tmp_path / "share/servo_msgs/msg/Broken.msg").write_text("absent_msgs/Thing thing\n")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path), prepend=":")
    types = BagTypes()
    text, type_hash = types.definition("servo_msgs/msg/Group")
    fresh = get_typestore(Stores.EMPTY)
    fresh.register(get_types_from_msg(text, "servo_msgs/msg/Group"))
    assert fresh.hash_rihs01("servo_msgs/msg/Group") == type_hash and "servo_msgs/msg/Servo" in fresh.fielddefs
    with pytest.raises(ConfigError, match="servo_msgs/msg/Broken"):
        types.definition("servo_msgs/msg/Broken")
