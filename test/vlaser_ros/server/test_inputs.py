"""Cameras over DDS: quality of service that does not match, several cameras, raw and compressed, and one that dies."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from rclpy.qos import QoSProfile, ReliabilityPolicy  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from vlaser_msgs.msg import ResultCode  # noqa: E402

from vlaser_core.embodiment import dump_embodiment  # noqa: E402
from vlaser_core.errors import ConfigError  # noqa: E402
from vlaser_ros.client import Refused  # noqa: E402
from vlaser_ros.images import to_message  # noqa: E402

from .conftest import ROBOT, until  # noqa: E402

pytestmark = pytest.mark.ros


def best_effort_camera(site, topic: str):
    """A camera whose driver offers best effort only, as many do."""
    node = site.client.node
    publisher = node.create_publisher(Image, topic, QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))

    def publish() -> None:
        message = to_message(np.zeros((24, 32, 3), np.uint8))  # small: one packet, which is not lost
        message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)

    site.robot.cameras.clear()
    return node.create_timer(0.04, publish)


def received(site) -> int:
    return site.server.loaded.views.image_meters["image_0"].total


def test_a_best_effort_camera_is_subscribed_so_by_default(serving):
    with serving(topics=(), image_topics=["front"], image_reliability="auto") as site:
        timer = best_effort_camera(site, "front")
        until(lambda: received(site), "a first picture")
        assert site.client.predict("go").actions.shape == (4, 7)
        site.client.node.destroy_timer(timer)


def test_a_camera_that_cannot_match_what_was_asked_for_is_named_with_the_remedy(serving):
    with serving(topics=(), image_topics=["front"], image_reliability="reliable", observation_timeout=0.5) as site:
        timer = best_effort_camera(site, "front")
        until(lambda: site.server.loaded.views.hints, "the mismatch")
        with pytest.raises(Refused, match="/front.*reliability.*image_reliability") as refusal:
            site.client.predict("go")
        assert refusal.value.code == ResultCode.NO_IMAGE
        assert until(lambda: site.status("camera image_0", "qos_overrides"), "a report").level == b"\x02"
        site.client.node.destroy_timer(timer)


def test_bytes_that_are_no_picture_are_told_and_the_camera_goes_on(serving):
    with serving() as site:
        said = []
        site.server.get_logger().warning = lambda words, **_: said.append(words)
        garbage = site.client.node.create_publisher(Image, "front", 1)
        until(lambda: garbage.publish(b"\0\1\0\0" + b"\xff" * 40) or said, "the warning")
        assert "/front" in said[0] and "serialised picture ends after" in said[0]
        assert site.client.predict("go").actions.shape == (4, 7) and not site.server.failed.is_set()


def test_quality_of_service_is_overridden_for_one_topic_by_the_standard_parameters(serving):
    name = "qos_overrides./front.subscription"
    with serving(topics=(), image_topics=["front"], **{f"{name}.reliability": "best_effort", f"{name}.depth": 1}) as site:
        timer = best_effort_camera(site, "front")
        until(lambda: received(site), "a first picture")
        profile = next(one for one in site.server.subscriptions if one.topic_name == "/front").qos_profile
        assert (profile.reliability, profile.depth) == (ReliabilityPolicy.BEST_EFFORT, 1)
        site.client.node.destroy_timer(timer)


def test_an_override_that_is_none_is_refused_by_name(serving):
    with pytest.raises(ConfigError, match="/front.*mostly"):
        with serving(**{"qos_overrides./front.subscription.reliability": "mostly"}):
            raise AssertionError("it started")


@pytest.fixture(scope="module")
def two_cameras(serving, tmp_path_factory):
    robot = dataclasses.replace(ROBOT, cameras=(ROBOT.cameras[0], dataclasses.replace(ROBOT.cameras[0], name="wrist")))
    contract = tmp_path_factory.mktemp("contract") / "two.yaml"
    dump_embodiment(robot, contract)
    with serving(topics=("front", "wrist/compressed"), embodiment=str(contract), max_observation_age=1.0, observation_timeout=1.0) as site:
        yield site


def test_a_raw_and_a_compressed_camera_are_joined_and_each_can_be_asked_about(two_cameras):
    site = two_cameras
    until(lambda: site.client.predict("go").actions.shape == (4, 7), "a view of both")
    assert site.client.ground("cup", camera="wrist").width == 320
    seen = []
    predict = site.engine.predict
    site.engine.predict = lambda view, *arguments, **options: seen.append(view) or predict(view, *arguments, **options)
    try:
        site.client.predict("go")
    finally:
        del site.engine.predict
    assert list(seen[0].images) == ["image_0", "wrist"]


def test_the_camera_that_dies_ends_the_goal_and_is_named(two_cameras):
    site = two_cameras
    until(lambda: site.client.predict("go").actions.shape == (4, 7), "a view of both")
    site.client.send("go")
    until(lambda: site.client.feedback(), "a first chunk")
    site.robot.muted.add("wrist/compressed")
    try:
        result = site.client.result(20.0)
        assert result.error_code == ResultCode.STALE_OBSERVATION and "camera 'wrist'" in result.error_msg
        assert site.robot.wire[-1].horizon == 0
        assert until(lambda: site.status("camera wrist", "no image for 2."), "a report on the wrist").level == b"\x02"
        assert site.status("camera image_0").level == b"\x00"
    finally:
        site.robot.muted.clear()


def test_a_camera_that_lags_the_other_is_reported_before_anything_fails(two_cameras):
    site = two_cameras
    site.robot.lags["wrist/compressed"] = 0.3
    try:
        assert until(lambda: site.status("camera wrist", "lags the other cameras by 0.3"), "a report on the wrist").level == b"\x01"
    finally:
        site.robot.lags.clear()


def test_a_server_that_can_no_longer_take_its_inputs_ends_instead_of_going_on_blind(serving, monkeypatch):
    with serving() as site:
        assert not site.server.failed.is_set()

        def fail(message) -> None:
            raise RuntimeError("a fault of ours")

        monkeypatch.setattr(site.server.loaded.views, "on_joints", fail)
        assert site.server.failed.wait(60.0), "the process watches this and ends with code 1"
