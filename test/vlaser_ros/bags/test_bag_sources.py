"""Whose bag is it, and which topics are its cameras and joints: said by the user, the contract, the robot's file, or alone of their kind."""

from __future__ import annotations

import pytest
from std_msgs.msg import String

from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import ConfigError, InputError
from vlaser_ros.bags.contract import CONTRACT_TOPIC, Contract
from vlaser_ros.bags.reader import Bag
from vlaser_ros.bags.sources import find_sources
from vlaser_ros.bringup import Topics

from .conftest import IMAGES, JOINTS, ROBOT, START, chunk_at


def sources(file, *arguments, **options):
    with Bag(file) as bag:
        return find_sources(bag, *arguments, **options)


def test_the_contract_in_the_bag_says_it_all(episode, tmp_path):
    found = sources(episode(0.3).write(tmp_path / "a.mcap"))
    assert (found.embodiment, found.images, found.joints) == (ROBOT, {"image_0": IMAGES}, JOINTS)


@pytest.mark.parametrize("name", ["widowx", "tabletop"])
def test_a_contract_survives_the_bag(name):
    contract = Contract.of(name)
    assert Contract.from_yaml(contract.to_yaml(), "here") == contract


@pytest.mark.parametrize("text", ["", "42", "embodiment: {}", "{a: [", "embodiment: {name: x}\ntopics: {}"])
def test_a_contract_that_cannot_be_read_is_named(text):
    with pytest.raises(InputError, match="here"):
        Contract.from_yaml(text, "here")


def test_a_bag_without_a_contract_asks_for_the_embodiment(episode, tmp_path):
    file = episode(0.3, contract=None).write(tmp_path / "a.mcap")
    with pytest.raises(InputError, match=r"a\.mcap carries no contract .*--embodiment"):
        sources(file)
    assert sources(file, "widowx").embodied_by == "given"
    with pytest.raises(ConfigError, match="toaster"):
        sources(file, "toaster")


def test_action_chunks_name_the_robot_too(episode, tmp_path):
    import numpy as np

    made = episode(0.3, contract=None)
    made.add(START + 0.2, "/vlaser/action_chunk", chunk_at(START, np.zeros((4, 7)), 1))
    assert sources(made.write(tmp_path / "a.mcap")).embodiment == load_embodiment("widowx")


def test_the_only_topic_of_a_kind_needs_no_name(episode, tmp_path):
    found = sources(episode(0.3, contract=None, image_topic="/cam/rgb", joint_topic="/wx250s/joint_states").write(tmp_path / "a.mcap"), "widowx")
    assert (found.images, found.joints) == ({"image_0": "/cam/rgb"}, "/wx250s/joint_states")


def test_compressed_pictures_stand_in_for_raw_ones(episode, tmp_path):
    file = episode(0.3, compressed=True, image_topic=f"{IMAGES}/compressed").write(tmp_path / "a.mcap")
    assert sources(file).images == {"image_0": f"{IMAGES}/compressed"}


def test_a_given_robot_that_is_the_bags_keeps_the_names_it_was_recorded_under(episode, tmp_path):
    made = episode(0.3, contract=None, image_topic="/eye", joint_topic="/arm/joint_states")
    for time, topic, message in list(made.messages):
        made.add(time, f"/other{topic}", message)
    topics = Topics(images=("/eye",), joint_states="/arm/joint_states", trajectory="/arm/trajectory")
    made.add(START, CONTRACT_TOPIC, String(data=Contract(ROBOT, topics).to_yaml()))
    found = sources(made.write(tmp_path / "a.mcap"), "widowx")
    assert (found.images, found.joints, found.embodied_by) == ({"image_0": "/eye"}, "/arm/joint_states", "given")


def test_several_candidates_are_listed_and_the_user_chooses(episode, tmp_path):
    made = episode(0.3, contract=None, image_topic="/left/image")
    for time, topic, message in list(made.messages):
        if topic == "/left/image":
            made.add(time, "/right/image", message)
    file = made.write(tmp_path / "a.mcap")
    with pytest.raises(InputError, match=r"camera 'image_0'.*/left/image \(3 × .*/right/image \(3 × .*--image-topic image_0:="):
        sources(file, "widowx")
    assert sources(file, "widowx", {"image_0": "/right/image"}).images == {"image_0": "/right/image"}
    with pytest.raises(InputError, match="'/middle' is not in the bag"):
        sources(file, "widowx", {"image_0": "/middle"})
    with pytest.raises(InputError, match=r"no camera is called \['wrist'\]"):
        sources(file, "widowx", {"wrist": "/left/image"})


def test_missing_joint_states_are_named_unless_only_pictures_are_wanted(episode, tmp_path):
    made = episode(0.3)
    made.messages = [each for each in made.messages if each[1] != JOINTS]
    file = made.write(tmp_path / "a.mcap")
    with pytest.raises(InputError, match=r"joint states is not clear .*no joint states at all.*--joint-topic"):
        sources(file)
    assert sources(file, need_joints=False).images == {"image_0": IMAGES}
