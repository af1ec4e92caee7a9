"""What is on disk when writing goes wrong: whole records, and as much of them as there can be."""

from __future__ import annotations

import resource
import signal
from contextlib import contextmanager

import pytest

from vlaser_core.errors import InputError
from vlaser_ros.bag_types import BagTypes
from vlaser_ros.bags.files import BagFiles, Channel, McapFile
from vlaser_ros.bags.reader import Bag
from vlaser_ros.bags.repair import repair

from .conftest import IMAGES, JOINTS

CHUNK = 64 * 1024
NOISE = bytes(range(256)) * 4


@pytest.fixture(scope="module")
def channel() -> Channel:
    return Channel("/noise", "std_msgs/msg/String", *BagTypes().definition("std_msgs/msg/String"))


@contextmanager
def file_limit(size: int):
    """The kernel refuses to let a file of this process grow beyond `size` bytes."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def count(path) -> int:
    with Bag(path) as bag:
        return sum(1 for _ in bag.read(set(bag.topics)))


@pytest.mark.parametrize("limit", [100_000, 150_000, 333_333])
def test_a_disk_that_takes_no_more_leaves_a_file_that_can_be_read(channel, tmp_path, limit):
    files, written = BagFiles(tmp_path / "a.mcap", compression="none", chunk=CHUNK), 0
    with file_limit(limit), pytest.raises(OSError):
        for written in range(10_000):
            files.add(channel, written + 1, written + 1, NOISE)
    files.close()
    assert not files.whole and (tmp_path / "a.mcap").stat().st_size <= limit
    kept = count(tmp_path / "a.mcap")
    assert written - kept <= 2 * CHUNK / len(NOISE) and kept > 30


@pytest.mark.parametrize("short", [1, 30, 150, 400])
def test_an_index_that_finds_no_room_leaves_the_messages(channel, tmp_path, short):
    def file(name: str) -> McapFile:
        made = McapFile(tmp_path / name, "none", CHUNK)
        for index in range(1, 200):
            made.add(channel, index, index, NOISE)
        return made

    whole = file("whole.mcap")
    assert whole.close()
    cramped = file("a.mcap")
    with file_limit((tmp_path / "whole.mcap").stat().st_size - short):
        assert not cramped.close()
    assert count(tmp_path / "a.mcap") == 199


def test_a_recorder_that_was_killed_leaves_a_file_that_repair_completes(episode, tmp_path):
    made, types, channels = episode(2.0), BagTypes(), {}
    file = McapFile(tmp_path / "a.mcap", "zstd")
    total = 0
    for time, topic, kind, data in made.ordered():
        channels.setdefault(topic, Channel(topic, kind, *types.definition(kind)))
        file.add(channels[topic], time, time, data)
        total += 1
    # Never closed: what a killed process leaves.
    with pytest.raises(InputError, match="vlaser bag repair"), Bag(tmp_path / "a.mcap"):
        pass
    found = repair(tmp_path / "a.mcap", tmp_path / "b.mcap")
    assert found.reason and not found.chunks_lost and 0 < total - found.messages <= 61  # the last second
    assert count(tmp_path / "b.mcap") == found.messages
    with Bag(tmp_path / "b.mcap") as bag:
        assert bag.topics[IMAGES].count >= 10 and bag.topics[JOINTS].count >= 50
    file.close()


def test_repair_keeps_everything_of_a_whole_file(episode, tmp_path):
    file = episode(1.0).write(tmp_path / "a.mcap")
    found = repair(file, tmp_path / "b.mcap")
    assert found.whole and found.messages == count(file) == count(tmp_path / "b.mcap")


def test_repair_passes_over_a_damaged_chunk_and_keeps_the_rest(episode, tmp_path):
    file = episode(2.0).write(tmp_path / "a.mcap", compression="none", chunk=CHUNK)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    found = repair(file, tmp_path / "b.mcap")
    assert found.chunks_lost == 1 and not found.orphans and count(tmp_path / "b.mcap") == found.messages
    assert 90 < found.messages < 121


@pytest.mark.parametrize("content", [b"", b"plain text", b"\x89MCAP0\r\n", b"\x89MCAP0\r\n" + b"\xff" * 100])
def test_repair_makes_no_file_of_nothing(tmp_path, content):
    (tmp_path / "a.mcap").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.mcap"):
        repair(tmp_path / "a.mcap", tmp_path / "b.mcap")
    assert not (tmp_path / "b.mcap").exists()


def test_repair_overwrites_nothing(episode, tmp_path):
    file = episode(0.2).write(tmp_path / "a.mcap")
    with pytest.raises(InputError, match="never overwritten"):
        repair(file, file)


def test_each_file_of_a_split_recording_begins_with_what_is_repeated(channel, tmp_path):
    files = BagFiles(tmp_path / "a.mcap", compression="none", split_bytes=200_000, chunk=CHUNK)
    files.repeated.append((Channel("/who", channel.type, channel.definition, channel.hash), NOISE))
    for index in range(1, 1000):
        files.add(channel, index * 1000, index * 1000, NOISE)
    files.close()
    parts = sorted((tmp_path / "a").glob("*.mcap"))
    assert [part.name for part in parts] == [f"a_{index}.mcap" for index in range(len(parts))] and len(parts) >= 4
    for part in parts:
        assert part.stat().st_size < 200_000 + 2 * CHUNK
        with Bag(part) as bag:
            assert next(bag.read(set(bag.topics))).topic == "/who" and bag.topics["/who"].count == 1
    assert count(tmp_path / "a") == 999 + len(parts)


def test_names_that_cannot_be_a_recording_are_refused(tmp_path):
    (tmp_path / "a.mcap").write_bytes(b"precious")
    for out, options, words in (
        (tmp_path / "a.mcap", {}, "never overwritten"),
        (tmp_path / "a.bag", {}, r"something\.mcap"),
        (tmp_path / "b.mcap", {"compression": "rar"}, "known: zstd, lz4, none"),
    ):
        with pytest.raises(InputError, match=words):
            BagFiles(out, **options)
