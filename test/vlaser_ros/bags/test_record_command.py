"""`vlaser record` as a process: how it ends, and what is on disk afterwards."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState

from vlaser_core.errors import InputError
from vlaser_ros.bags.contract import Contract
from vlaser_ros.bags.reader import Bag
from vlaser_ros.bags.record import Settings, chooser, expected, record
from vlaser_ros.bags.repair import repair
from vlaser_ros.bags.sources import contract_of
from vlaser_ros.domains import free_domain
from vlaser_ros.images import to_message
from vlaser_ros.messages import header

from .conftest import IMAGES, JOINTS, ROBOT, picture

PATIENCE = 40.0  # s


@pytest.fixture
def robot():
    """A camera and joint states at 20 Hz on a domain of their own."""
    context, domain = Context(), free_domain()
    rclpy.init(context=context, domain_id=domain)
    node = Node("robot", context=context)
    node.domain = domain
    images, joints = node.create_publisher(Image, IMAGES, 5), node.create_publisher(JointState, JOINTS, 5)
    ended = threading.Event()

    def publish() -> None:
        index = 0
        while not ended.wait(0.05):
            stamp = header(time.time(), "")
            images.publish(to_message(picture(index), header=stamp))
            joints.publish(JointState(header=stamp, name=[*ROBOT.joint_names, "left_finger"], position=[*ROBOT.arms[0].home, 0.03]))
            index += 1

    node.heard = lambda: images.get_subscription_count() and joints.get_subscription_count()
    thread = threading.Thread(target=publish, daemon=True)
    thread.start()
    yield node
    ended.set()
    thread.join()
    node.destroy_node()
    context.try_shutdown()


def start(robot, out, *options: str) -> subprocess.Popen:
    words = [sys.executable, "-m", "vlaser_ros.cli", "record", "widowx", "--out", str(out), "--domain-id", str(robot.domain), "--json", *options]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + PATIENCE
    while not robot.heard():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.05)
    time.sleep(1.5)
    return process


@pytest.mark.ros
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asking_it_to_stop_completes_the_file(robot, tmp_path, number):
    process = start(robot, tmp_path / "a.mcap")
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0 and "Traceback" not in err, err
    account = json.loads(out.strip().splitlines()[-1])
    assert account["indexed"] and account["error"] == "" and account["missing"] == ["/arm_controller/joint_trajectory"]
    with Bag(tmp_path / "a.mcap") as bag:
        assert contract_of(bag) == Contract.of("widowx")
        for topic in (IMAGES, JOINTS):
            assert bag.topics[topic].count == account["topics"][topic]["count"] > 5 and account["topics"][topic]["hz"] > 1


@pytest.mark.ros
def test_what_a_killed_recorder_left_can_be_repaired(robot, tmp_path):
    process = start(robot, tmp_path / "a.mcap")
    process.kill()
    process.communicate(timeout=PATIENCE)
    with pytest.raises(InputError, match="vlaser bag repair"), Bag(tmp_path / "a.mcap"):
        pass
    found = repair(tmp_path / "a.mcap", tmp_path / "b.mcap")
    with Bag(tmp_path / "b.mcap") as bag:
        assert contract_of(bag) is not None and bag.topics[IMAGES].count > 5 and found.messages > 10


@pytest.mark.ros
def test_limits_end_it_by_themselves(robot, tmp_path, capsys):
    assert record("widowx", Settings(tmp_path / "a.mcap", duration=8.0, split_duration=1.0, domain_id=robot.domain, json=True)) == 0
    account = json.loads(capsys.readouterr().out)
    assert account["files"] >= 2 and (tmp_path / "a/metadata.yaml").is_file() and 8 <= account["seconds"] < 30
    assert record("widowx", Settings(tmp_path / "b.mcap", keep_free=10**9, domain_id=robot.domain, json=True)) == 1
    account = json.loads(capsys.readouterr().out)
    assert "are to be kept free" in account["error"]


def test_the_contracts_topics_and_the_stacks_own_are_recorded_and_no_others():
    wanted = chooser(Contract.of("widowx"), Settings(None, topics=("/mine",), exclude=("annotated",)))
    yes = (*expected(Contract.of("widowx")), "/camera/color/camera_info", "/vlaser/action_chunk", "/left/vlaser/chunk_verdict", "/tf", "/mine")
    no = ("/vlaser/contract", "/vlaser/annotated/compressed", "/camera/depth/image_raw", "/parameter_events", "/mine/other")
    assert all(wanted(topic) for topic in (*yes, "/vlaser/execute/_action/feedback")) and not any(wanted(topic) for topic in no)
    everything = chooser(Contract.of("widowx"), Settings(None, everything=True, exclude=("depth",)))
    assert everything("/anything") and not everything("/camera/depth/image_raw") and not everything("/vlaser/contract")
    with pytest.raises(InputError, match="--exclude"):
        chooser(Contract.of("widowx"), Settings(None, exclude=("(",)))


def test_a_place_that_takes_no_file_is_told_before_anything_is_recorded(tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    from vlaser_ros.cli import run

    assert run(["record", "widowx", "--out", str(tmp_path / "file/a.mcap")]) == 2 and "cannot record to" in capsys.readouterr().err


def test_a_recording_is_never_overwritten_by_the_command(tmp_path, capsys):
    (tmp_path / "a.mcap").write_bytes(b"precious")
    from vlaser_ros.cli import run

    assert run(["record", "widowx", "--out", str(tmp_path / "a.mcap")]) == 2 and "never overwritten" in capsys.readouterr().err
    assert (tmp_path / "a.mcap").read_bytes() == b"precious"
