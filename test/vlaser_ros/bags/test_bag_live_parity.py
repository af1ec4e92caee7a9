"""An observation built from a bag is the one that was built live from the same messages, to the last bit."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image, JointState

from vlaser_ros.bags.contract import Contract
from vlaser_ros.bags.reader import Bag
from vlaser_ros.bags.recorder import Recorder
from vlaser_ros.bags.sources import find_sources
from vlaser_ros.bags.views import JOINTS_TOLERANCE, SYNC_TOLERANCE, BagViews
from vlaser_ros.domains import free_domain
from vlaser_ros.images import to_compressed, to_message
from vlaser_ros.joint_history import JointHistory
from vlaser_ros.messages import header
from vlaser_ros.server.views import Views

from .conftest import IMAGES, JOINTS, ROBOT, picture, sway

pytestmark = pytest.mark.ros
PATIENCE = 20.0  # s
COUNT = 12


@pytest.fixture
def context():
    made = Context()
    made.domain = free_domain()
    rclpy.init(context=made, domain_id=made.domain)
    yield made
    made.try_shutdown()


def until(condition) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Live:
    """The subscriptions of a server: images and joint states into Views, as vlaser_server does it."""

    def __init__(self, context, topic: str, compressed: bool) -> None:
        self.node = Node("live", context=context)
        self.views = Views(ROBOT, [topic], JointHistory(ROBOT, tolerance=JOINTS_TOLERANCE), time.time, max_age=10.0, sync_tolerance=SYNC_TOLERANCE)
        kind = CompressedImage if compressed else Image
        self.node.create_subscription(kind, topic, lambda message: self.views.on_image("image_0", message), 10)
        self.node.create_subscription(JointState, JOINTS, self.views.on_joints, 50)
        self.images = self.node.create_publisher(kind, topic, 10)
        self.joints = self.node.create_publisher(JointState, JOINTS, 50)
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.node)
        self.thread = threading.Thread(target=self._spin, daemon=True)
        self.thread.start()

    def _spin(self) -> None:
        try:
            self.executor.spin()
        except ExternalShutdownException:
            pass

    def close(self) -> None:
        self.executor.shutdown(timeout_sec=1.0)
        self.thread.join(2.0)
        self.node.destroy_node()

    def state(self, stamp: float) -> None:
        self.joints.publish(JointState(header=header(stamp, ""), name=["left_finger", *ROBOT.joint_names], position=[0.03, *sway(stamp)]))


@pytest.mark.parametrize("compressed", [False, True])
def test_observations_from_a_bag_are_bit_equal_to_live_ones(context, tmp_path, compressed):
    topic = f"{IMAGES}/compressed" if compressed else IMAGES
    live, seen = Live(context, topic, compressed), []
    contract = Contract.of("widowx")
    try:
        with Recorder(tmp_path / "a.mcap", contract=contract, domain_id=context.domain) as recorder:
            until(lambda: live.images.get_subscription_count() == 2 and live.joints.get_subscription_count() == 2)
            for index in range(COUNT):
                # Joint states on both sides of the picture, so that both have to interpolate.
                stamp = time.time()
                live.state(stamp - 0.011)
                pixels = picture(index)
                head = header(stamp, "camera")
                live.images.publish(to_compressed(pixels, header=head) if compressed else to_message(pixels, "bgr8", header=head))
                live.state(stamp + 0.007)
                seen.append(live.views.wait(stamp - 0.001, PATIENCE))
                # The next picture waits for the recorder, too: on a busy machine it would else take two pictures in a row
                # where the live node had joint states between them, and the order of the messages would not be the same.
                until(lambda count=index + 1: recorder.counts[topic] == count and recorder.counts[JOINTS] == 2 * count)
            recorder.check()
    finally:
        live.close()
    with Bag(tmp_path / "a.mcap") as bag:
        sources = find_sources(bag)
        assert sources.images == {"image_0": topic} and sources.embodied_by == "contract in the bag"
        views = BagViews(bag, sources, max_age=10.0)
        replayed = [one.view for one in views]
    assert not views.missed and [view.stamp for view in replayed] == [view.stamp for view in seen]
    for ours, theirs in zip(replayed, seen, strict=True):
        assert ours.headers == theirs.headers
        assert np.array_equal(ours.observation.proprio, theirs.observation.proprio) and ours.observation.proprio.dtype == theirs.observation.proprio.dtype
        assert list(ours.observation.images) == list(theirs.observation.images)
        assert all(np.array_equal(ours.observation.images[name], theirs.observation.images[name]) for name in ours.observation.images)
    # Not equal because everything is the same: the pictures and postures do differ from one another.
    assert len({view.observation.proprio.tobytes() for view in replayed}) == COUNT
    assert len({view.observation.images["image_0"].tobytes() for view in replayed}) == COUNT
