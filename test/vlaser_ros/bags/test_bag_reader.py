"""Whatever wrote a bag, the same messages come out; what is wrong with it is said with the file and the topic."""

from __future__ import annotations

import numpy as np
import pytest
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from vlaser_core.errors import InputError
from vlaser_ros.bag_types import BagTypes
from vlaser_ros.bags.files import BagFiles, Channel
from vlaser_ros.bags.reader import Bag

from .conftest import IMAGES, JOINTS, ROBOT, Episode


def contents(path) -> list[tuple[int, str, object]]:
    with Bag(path) as bag:
        return [(record.time, record.topic, bag.decode(record)) for record in bag.read({IMAGES, JOINTS})]


def write_sqlite(episode: Episode, out):
    types, connections = BagTypes(), {}
    with Writer(out, version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        for time, topic, kind, data in episode.ordered():
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=types.store)
            writer.write(connections[topic], time, data)
    return out


def write_ros1(episode: Episode, out):
    ros2, ros1, connections = BagTypes().store, get_typestore(Stores.ROS1_NOETIC), {}
    with Ros1Writer(out) as writer:
        for time, topic, kind, data in episode.ordered():
            if kind.startswith("vlaser_msgs"):
                continue
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=ros1)
            writer.write(connections[topic], time, ros2.cdr_to_ros1(data, kind))
    return out


def test_every_kind_of_bag_gives_the_same_messages(episode, tmp_path):
    made = episode(0.5)
    expected = contents(made.write(tmp_path / "a.mcap"))
    split = made.write(tmp_path / "split", split_seconds=0.2)
    folder = write_sqlite(made, tmp_path / "sqlite")
    others = [split, folder, next(folder.glob("*.db3")), write_ros1(made, tmp_path / "one.bag")]
    (tmp_path / "bare").mkdir()
    for file in split.glob("*.mcap"):
        file.rename(tmp_path / "bare" / file.name)
    others[0] = tmp_path / "bare"  # the files of a split recording without their metadata.yaml
    assert len(expected) == 30
    for other in others:
        assert contents(other) == expected, other


def test_a_reader_that_never_heard_of_us_reads_a_split_recording(episode, tmp_path):
    from rosbags.highlevel import AnyReader

    folder = episode(1.0).write(tmp_path / "split", split_seconds=0.3)
    with AnyReader([folder]) as reader:
        counts = {topic: info.msgcount for topic, info in reader.topics.items()}
        assert counts[IMAGES] == 10 and counts[JOINTS] == 50
        assert sum(1 for _ in reader.messages()) == reader.message_count == sum(counts.values())


def test_reading_can_begin_in_the_middle(episode, tmp_path):
    with Bag(episode(1.0).write(tmp_path / "a.mcap")) as bag:
        middle = bag.start + 500_000_000
        later = [record.time for record in bag.read({JOINTS}, start=middle)]
        assert later and min(later) >= middle and len(later) < bag.topics[JOINTS].count


def test_a_topic_that_is_missing_is_named_with_what_there_is(episode, tmp_path):
    with Bag(episode(0.3).write(tmp_path / "a.mcap")) as bag:
        with pytest.raises(InputError, match=r"a\.mcap: topic '/cam' is not in the bag; it has /camera/color/image_raw \(3 × sensor_msgs/msg/Image\)"):
            bag.need("/cam", "sensor_msgs/msg/Image")
        with pytest.raises(InputError, match="'/joint_states' is of type sensor_msgs/msg/JointState, expected sensor_msgs/msg/Image"):
            bag.need(JOINTS, "sensor_msgs/msg/Image")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_truncated_file_is_named_with_how_to_mend_it(episode, tmp_path, share):
    file = episode(1.0).write(tmp_path / "a.mcap")
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    with pytest.raises(InputError, match=r"a\.mcap cannot be opened: .*`vlaser bag repair`"), Bag(file):
        pass


def test_a_chunk_that_fails_its_checksum_is_told_and_not_read(episode, tmp_path):
    file = episode(1.0).write(tmp_path / "a.mcap", compression="none")
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 0xFF
    file.write_bytes(content)
    with Bag(file) as bag, pytest.raises(InputError, match=r"a\.mcap is damaged"):
        for _ in bag.read({IMAGES, JOINTS}):
            pass


@pytest.mark.parametrize("name", ["a.mcap", "a.db3", "a.bag"])
@pytest.mark.parametrize("content", [b"", b"\x00" * 5000, b"hello, I am a text file\n" * 100])
def test_a_file_that_is_no_bag_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name.replace(".", r"\.")), Bag(tmp_path / name):
        pass


def test_a_path_that_leads_to_no_bag_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    for path, words in ((tmp_path / "absent.mcap", "there is no bag"), (tmp_path / "notes.txt", "is not a bag"), (tmp_path, "holds neither")):
        with pytest.raises(InputError, match=words), Bag(path):
            pass


def test_a_message_that_is_not_of_its_type_names_the_topic(tmp_path):
    types = BagTypes()
    files = BagFiles(tmp_path / "a.mcap")
    files.add(Channel(JOINTS, "sensor_msgs/msg/JointState", *types.definition("sensor_msgs/msg/JointState")), 1, 1, b"\x00\x01\x00\x00\xff\xff\xff\xff\xff\xff\xff\x7f")
    files.close()
    with Bag(tmp_path / "a.mcap") as bag, pytest.raises(InputError, match=r"a\.mcap: a message on '/joint_states' is no sensor_msgs/msg/JointState"):
        bag.decode(next(bag.read({JOINTS})))


def test_a_type_that_has_changed_since_is_read_as_the_bag_defines_it(tmp_path):
    """A ChunkVerdict from before it had anything but a sequence."""
    definition = "uint64 sequence\nstring remark\n"
    data = b"\x00\x01\x00\x00" + (7).to_bytes(8, "little") + (4).to_bytes(4, "little") + b"old\x00"
    files = BagFiles(tmp_path / "a.mcap")
    files.add(Channel("/vlaser/chunk_verdict", "vlaser_msgs/msg/ChunkVerdict", definition, ""), 1, 1, data)
    files.close()
    with Bag(tmp_path / "a.mcap") as bag:
        message = bag.decode(next(bag.read({"/vlaser/chunk_verdict"})))
    assert (message.sequence, message.remark) == (7, "old")


def test_decoded_messages_are_those_that_were_published(episode, tmp_path):
    made = episode(0.2)
    sent = {topic: [message for _, name, message in made.messages if name == topic] for topic in (IMAGES, JOINTS)}
    read = contents(made.write(tmp_path / "a.mcap"))
    got = {topic: [message for _, name, message in read if name == topic] for topic in (IMAGES, JOINTS)}
    assert sent == got and np.isfinite(got[JOINTS][0].position).all() and got[JOINTS][0].name[:6] == list(ROBOT.joint_names)
