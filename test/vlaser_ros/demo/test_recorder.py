"""What runs over DDS ends up in the file, and the file explains itself."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosbags.highlevel import AnyReader
from std_msgs.msg import Header, String
from vlaser_msgs.action import Execute
from vlaser_msgs.msg import ActionChunk, Grounding

from vlaser_core.errors import InputError
from vlaser_ros.bag_types import BagTypes
from vlaser_ros.demo.recorder import Recorder, message_class
from vlaser_ros.domains import free_domain  # noqa: E402

pytestmark = pytest.mark.ros


@pytest.fixture
def node():
    context, domain = Context(), free_domain()
    rclpy.init(context=context, domain_id=domain)
    node = Node("talker", context=context)
    node.domain = domain
    yield node
    node.destroy_node()
    context.try_shutdown()


def until(condition, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def read(file: Path, store=None) -> dict[str, list]:
    found: dict[str, list] = {}
    with AnyReader([file], default_typestore=store) as reader:
        for connection, _, data in reader.messages():
            found.setdefault(connection.topic, []).append(reader.deserialize(data, connection.msgtype))
    return found


def test_messages_come_back_with_the_definitions_in_the_file(node, tmp_path):
    file = tmp_path / "a.mcap"
    chunks = node.create_publisher(ActionChunk, "chunks", 10)
    latched = node.create_publisher(String, "latched", QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL))
    hasty = node.create_publisher(Execute.Impl.FeedbackMessage, "hasty", QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT))
    latched.publish(String(data="said before anybody listened"))
    with Recorder(file, domain_id=node.domain) as recorder:
        assert until(lambda: chunks.get_subscription_count() and hasty.get_subscription_count() and recorder.counts["/latched"])
        for sequence in range(5):
            chunks.publish(ActionChunk(sequence=sequence, horizon=1, names=["x", "y"], data=[1.5, math.nan], embodiment="widowx"))
        hasty.publish(Execute.Impl.FeedbackMessage(feedback=Execute.Feedback(index=7, status="on the way")))
        recorder.write("/own", Grounding(header=Header(frame_id="camera"), phrase="carrot", width=320, height=240))
        assert until(lambda: recorder.counts["/chunks"] == 5 and recorder.counts["/hasty"] == 1)
        recorder.check()
    # No type store of ours: a reader that never heard of vlaser_msgs gets along with the file alone.
    found = read(file)
    assert [message.sequence for message in found["/chunks"]] == [0, 1, 2, 3, 4]
    assert found["/chunks"][0].names == ["x", "y"] and np.isnan(found["/chunks"][0].data[1])
    assert found["/hasty"][0].feedback.index == 7 and found["/hasty"][0].feedback.status == "on the way"
    assert found["/own"][0].phrase == "carrot" and found["/latched"][0].data.startswith("said")
    assert list(tmp_path.iterdir()) == [file]


def test_the_file_is_whole_when_the_recording_is_interrupted(node, tmp_path):
    file = tmp_path / "a.mcap"
    with pytest.raises(KeyboardInterrupt), Recorder(file, domain_id=node.domain) as recorder:
        recorder.write("/own", String(data="kept"))
        raise KeyboardInterrupt
    assert [message.data for message in read(file, BagTypes().store)["/own"]] == ["kept"]


def test_nothing_is_written_after_the_end(node, tmp_path):
    with Recorder(tmp_path / "a.mcap", domain_id=node.domain) as recorder:
        recorder.write("/own", String(data="in time"))
    with pytest.raises(InputError, match="closed"):
        recorder.write("/own", String(data="late"))


def test_a_recording_is_never_overwritten(tmp_path):
    (tmp_path / "a.mcap").write_bytes(b"precious")
    with pytest.raises(InputError, match="never overwritten"):
        Recorder(tmp_path / "a.mcap")


def test_type_names_lead_to_classes():
    assert message_class("vlaser_msgs/msg/ActionChunk") is ActionChunk
    assert message_class("vlaser_msgs/action/Execute_FeedbackMessage") is Execute.Impl.FeedbackMessage
    assert message_class("nobody_msgs/msg/Thing") is None and message_class("std_msgs/msg/Thing") is None
