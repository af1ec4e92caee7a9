"""The server's node over DDS, in this process: compressed pictures in and out, its diagnostics, its busy and bad answers."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

import rclpy  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image, JointState  # noqa: E402
from vlaser_msgs.msg import ResultCode  # noqa: E402
from vlaser_msgs.srv import Ground  # noqa: E402

from vlaser_core.embodiment import load_embodiment  # noqa: E402
from vlaser_ros.client import Refused, VlaserClient  # noqa: E402
from vlaser_ros.domains import free_domain  # noqa: E402
from vlaser_ros.images import from_compressed, to_compressed  # noqa: E402
from vlaser_ros.server.node import VlaserServer  # noqa: E402
from vlaser_ros.server.reasoning import Reasoning  # noqa: E402

pytestmark = pytest.mark.ros
ROBOT = load_embodiment("widowx")
PATIENCE = 20.0  # s for what takes milliseconds on an idle machine
TOPIC = "/front/compressed"
BLUE = np.zeros((240, 320, 3), np.uint8)
BLUE[..., 2] = 220


def until(condition, what: str):
    """The condition's value once it is true."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE} s"
        time.sleep(0.02)
    return value


class Site:
    """A running server, a client, and a camera that publishes JPEG pictures."""

    def __init__(self, server: VlaserServer, client: VlaserClient) -> None:
        self.server, self.client, self.reports = server, client, []
        node = client.node
        self.images = node.create_publisher(CompressedImage, TOPIC, 1)
        self.joints = node.create_publisher(JointState, "/joint_states", 10)
        node.create_subscription(DiagnosticArray, "/diagnostics", self.reports.append, 10)
        self.timer = node.create_timer(0.04, self.publish)

    def publish(self) -> None:
        stamp = self.client.node.get_clock().now().to_msg()
        joints = JointState(name=[*ROBOT.joint_names, "left_finger"], position=[*ROBOT.arms[0].home, 0.03])
        image = to_compressed(BLUE)
        joints.header.stamp = image.header.stamp = stamp
        self.joints.publish(joints)
        self.images.publish(image)

    def status(self, name: str, message: str | None = None) -> DiagnosticStatus | None:
        """The newest report of that name, if it says `message`."""
        found = [status for report in list(self.reports) for status in report.status if name in status.name]
        return found[-1] if found and message in (None, found[-1].message) else None


@pytest.fixture(scope="module")
def site():
    domain = free_domain()
    options = {"engine": "stand_in", "stand_in_delay": 0.0, "image_topics": f"[{TOPIC}]", "max_observation_age": 30.0, "joint_states_tolerance": 1.0}
    arguments = [part for name, value in options.items() for part in ("-p", f"{name}:={value}")]
    rclpy.init(args=["--ros-args", *arguments], domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
    server, executor = VlaserServer(), MultiThreadedExecutor(num_threads=8)
    executor.add_node(server)

    def spin() -> None:
        try:
            executor.spin()
        except ExternalShutdownException:
            return

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    server.begin()
    with VlaserClient(domain_id=domain, timeout=PATIENCE) as client:
        client.wait_ready(PATIENCE, controller=False)
        made = Site(server, client)
        until(lambda: server.views.image_meters["image_0"].total and server.views.joint_meter.total, "a first view")
        yield made
        client.node.destroy_timer(made.timer)
    executor.shutdown(timeout_sec=5.0)
    thread.join(timeout=5.0)
    server.action.destroy()
    server.destroy_node()
    rclpy.shutdown()


def test_a_camera_that_only_sends_jpeg_is_enough_to_predict_and_to_ground(site):
    assert site.client.predict("go").actions.shape == (4, 7)
    assert (site.client.ground("block").width, site.client.ground("block").height) == (320, 240)


def test_whoever_looks_sees_the_annotated_picture_and_else_none_is_drawn(site):
    seen: list[CompressedImage] = []
    subscription = site.client.node.create_subscription(CompressedImage, "vlaser/annotated/compressed", seen.append, 1)
    until(lambda: site.server.pictures.get_subscription_count(), "discovery of the picture's reader")
    site.client.ground("block")
    until(lambda: seen, "an annotated picture")
    site.client.node.destroy_subscription(subscription)
    pixels = from_compressed(seen[-1])
    assert pixels.shape[1] == 320 and seen[-1].header.stamp.sec > 0
    drawn = np.abs(pixels[:240].astype(int) - BLUE).max(axis=2) > 60
    assert 50 < drawn.sum() < 0.5 * drawn.size, "the box and its label, on the camera's picture"
    until(lambda: site.server.pictures.get_subscription_count() == 0, "the reader's leaving")
    site.server.pictures.publish = seen.append
    try:
        count = len(seen)
        site.client.ground("block")
        assert len(seen) == count
    finally:
        del site.server.pictures.publish


def test_diagnostics_name_every_input_with_its_topic_and_rate(site):
    camera = until(lambda: site.status("camera image_0"), "a report on the camera")
    values = {item.key: item.value for item in camera.values}
    assert camera.message == TOPIC and float(values["rate_hz"]) > 0 and float(values["age_s"]) < PATIENCE
    assert until(lambda: site.status("vlaser_server: joint states"), "a report on the joints").message == "/joint_states"
    policy = until(lambda: site.status("policy", "ready"), "a report on the policy")
    assert {"goals", "chunks", "rejections", "inference_s", "last_error"} <= {item.key for item in policy.values}


def test_a_goal_that_failed_stays_in_the_diagnostics(site):
    result = site.client.execute("go", timeout=PATIENCE)  # nobody controls the arm here
    assert result.error_code == ResultCode.NO_CONTROLLER

    def told() -> bool:
        report = site.status("policy", "ready")
        return report is not None and any(item.key == "last_error" and item.value.startswith("205: ") for item in report.values)

    until(told, "a report on the failed goal")


def test_a_picture_of_the_request_that_cannot_be_read_is_refused(site):
    service = site.client.node.create_client(Ground, "vlaser/ground")
    until(service.service_is_ready, "discovery of vlaser/ground")
    future = service.call_async(Ground.Request(phrase="block", image=[Image(encoding="yuv422", height=2, width=2)]))
    until(future.done, "an answer")
    answer = future.result()
    assert (answer.success, answer.error_code) == (False, ResultCode.BAD_IMAGE) and "yuv422" in answer.error_msg


def test_a_model_that_raises_fails_the_call_and_not_the_node(site, monkeypatch):
    def fail(image, question):
        raise RuntimeError("no memory left")

    monkeypatch.setattr(site.server.engine, "ask", fail)
    with pytest.raises(Refused, match="RuntimeError: no memory left") as refusal:
        site.client.ask("what?")
    assert refusal.value.code == ResultCode.MODEL_FAILED
    monkeypatch.undo()
    assert site.client.ask("what?") == "You asked: what?"


def test_questions_beyond_those_that_may_wait_are_refused_as_busy(site):
    entered, leave = threading.Semaphore(0), threading.Event()

    class Slow:
        def ask(self, image, question):
            entered.release()
            assert leave.wait(PATIENCE)
            raise RuntimeError("asked too late")

    desk = Reasoning(engine=Slow(), views=site.server.views, waiting=2, observation_timeout=1.0, now=site.server.now, seen=lambda *_: None)
    from vlaser_msgs.srv import Ask

    waiting = [threading.Thread(target=desk.ask, args=(Ask.Request(question="what?"), Ask.Response())) for _ in range(2)]
    for thread in waiting:
        thread.start()
    assert all(entered.acquire(timeout=PATIENCE) for _ in waiting)
    refused = desk.ask(Ask.Request(question="and I?"), Ask.Response())
    leave.set()
    for thread in waiting:
        thread.join(PATIENCE)
    assert (refused.success, refused.error_code) == (False, ResultCode.BUSY)
