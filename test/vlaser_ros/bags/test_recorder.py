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
from vlaser_ros.bag_types import BagTypes, message_class
from vlaser_ros.bags.contract import CONTRACT_TOPIC, Contract
from vlaser_ros.bags.reader import Bag
from vlaser_ros.bags.recorder import Recorder, RecordingFailed
from vlaser_ros.bags.sources import contract_of
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


def test_what_never_arrived_is_counted_as_lost(node, tmp_path):
    """More messages than the subscription holds, while nobody takes them: publishers number them, so the gap is known."""
    talker = node.create_publisher(String, "burst", QoSProfile(depth=1000, reliability=ReliabilityPolicy.BEST_EFFORT))
    with Recorder(tmp_path / "a.mcap", domain_id=node.domain) as recorder:
        assert until(talker.get_subscription_count)
        talker.publish(String(data="first"))
        assert until(lambda: recorder.counts["/burst"] == 1)
        with recorder._lock:  # holds the taking thread
            for number in range(400):
                talker.publish(String(data=str(number)))
            time.sleep(0.3)
        talker.publish(String(data="last"))
        assert until(lambda: recorder.counts["/burst"] + recorder.lost["/burst"] == 402)
        assert recorder.lost["/burst"] > 100
    row = next(row for row in recorder.report() if row.topic == "/burst")
    assert (row.count, row.lost, row.dropped) == (recorder.counts["/burst"], recorder.lost["/burst"], 0)


def test_what_the_disk_is_too_slow_for_is_counted_as_dropped(node, tmp_path, monkeypatch):
    monkeypatch.setattr("vlaser_ros.bags.recorder.WAITING_BYTES", 50)
    with Recorder(tmp_path / "a.mcap", domain_id=node.domain) as recorder:
        recorder.write("/own", String(data="short"))
        recorder.write("/own", String(data="long" * 100))
    assert (recorder.counts["/own"], recorder.dropped["/own"]) == (1, 1)


def test_a_publisher_that_offers_less_is_still_heard(node, tmp_path):
    first = node.create_publisher(String, "mixed", QoSProfile(depth=10))
    with Recorder(tmp_path / "a.mcap", domain_id=node.domain) as recorder:
        assert until(first.get_subscription_count)
        hasty = node.create_publisher(String, "mixed", QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT))
        assert until(lambda: hasty.get_subscription_count() and first.get_subscription_count())
        hasty.publish(String(data="from the hasty one"))
        first.publish(String(data="from the first"))
        assert until(lambda: recorder.counts["/mixed"] == 2), recorder.counts


def test_a_disk_that_fails_ends_the_recording_with_its_reason(node, tmp_path, monkeypatch):
    from vlaser_ros.bags import files

    with Recorder(tmp_path / "a.mcap", domain_id=node.domain) as recorder:
        recorder.write("/own", String(data="kept" * 50_000))
        assert until(lambda: recorder.counts["/own"] == 1)

        def full(self, data):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(files._Whole, "write", full)
            recorder.write("/own", String(data="lost" * 50_000))
            assert until(lambda: recorder.failure is not None)
            with pytest.raises(RecordingFailed, match=r"a\.mcap ended early: .*No space left on device.*can be read"):
                recorder.check()
            with pytest.raises(InputError, match="closed"):
                recorder.write("/own", String(data="late"))


def test_topics_of_types_that_nobody_knows_are_named(node, tmp_path):
    from diagnostic_msgs.msg import DiagnosticArray

    talker = node.create_publisher(DiagnosticArray, "known", 1)
    with Recorder(tmp_path / "a.mcap", domain_id=node.domain) as recorder:
        assert until(talker.get_subscription_count)
        recorder._listen("/foreign", "nobody_msgs/msg/Thing", [])
    assert recorder.skipped == {"/foreign": "nobody_msgs/msg/Thing"}


def test_the_contract_comes_first(node, tmp_path):
    with Recorder(tmp_path / "a.mcap", contract=Contract.of("tabletop"), domain_id=node.domain) as recorder:
        recorder.write("/own", String(data="x"))
    with Bag(tmp_path / "a.mcap") as bag:
        assert contract_of(bag) == Contract.of("tabletop")
        assert [record.topic for record in bag.read(set(bag.topics))] == [CONTRACT_TOPIC, "/own"]
