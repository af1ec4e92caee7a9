"""The server's node over DDS, in this process: compressed pictures in and out, its diagnostics, its busy and bad answers."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from sensor_msgs.msg import CompressedImage, Image  # noqa: E402
from vlaser_msgs.msg import ResultCode  # noqa: E402
from vlaser_msgs.srv import Ground  # noqa: E402

from vlaser_ros.client import Refused  # noqa: E402
from vlaser_ros.images import from_compressed  # noqa: E402
from vlaser_ros.server.inference import Inference  # noqa: E402
from vlaser_ros.server.reasoning import Reasoning  # noqa: E402
from vlaser_ros.server.settings import Settings  # noqa: E402

pytestmark = pytest.mark.ros
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


@pytest.fixture(scope="module")
def site(serving):
    with serving(topics=(TOPIC,)) as made:
        until(lambda: made.server.loaded.views.image_meters["image_0"].total and made.server.loaded.views.joint_meter.total, "a first view")
        yield made


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
    assert pixels.shape == (480, 640, 3) and seen[-1].header.stamp.sec > 0
    drawn = np.abs(pixels.astype(int) - BLUE[0, 0]).max(axis=2) > 60
    assert 50 < drawn.sum() < 0.5 * drawn.size, "the box and its label, on the camera's picture, twice as large"
    until(lambda: site.server.pictures.get_subscription_count() == 0, "the reader's leaving")
    site.server.pictures.publish = seen.append
    try:
        count = len(seen)
        site.client.ground("block")
        assert len(seen) == count
    finally:
        del site.server.pictures.publish


def test_diagnostics_name_every_input_with_its_topic_and_rate(site):
    def healthy(name: str, message: str):
        # The first reports of all may be from before the first picture.
        report = site.status(name)
        return report if report is not None and report.message == message else None

    camera = until(lambda: healthy("camera image_0", TOPIC), "a report on the camera")
    values = {item.key: item.value for item in camera.values}
    assert float(values["rate_hz"]) > 0 and float(values["age_s"]) < PATIENCE
    assert until(lambda: healthy("vlaser_server: joint states", "/joint_states"), "a report on the joints")
    policy = until(lambda: site.status("policy", "ready"), "a report on the policy")
    assert {"goals", "chunks", "rejections", "inference_s", "last_error"} <= {item.key for item in policy.values}


def test_a_goal_that_failed_stays_in_the_diagnostics(site):
    site.robot.judge = lambda chunk: ResultCode.GATE_ESTOP
    result = site.client.execute("go", timeout=PATIENCE)
    site.robot.judge = lambda chunk: 0
    assert result.error_code == ResultCode.GATE_ESTOP

    def told() -> bool:
        report = site.status("policy", "ready")
        return report is not None and any(item.key == "last_error" and item.value.startswith("411: ") for item in report.values)

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

    monkeypatch.setattr(site.engine, "ask", fail)
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

    options = {"settings": Settings, "now": time.time, "refusal": lambda: None, "seen": lambda *_: None}
    inference = Inference(2, lambda line: None)
    desk = Reasoning(engine=Slow(), inference=inference, predict=None, views=site.server.loaded.views, waiting=2, **options)
    from vlaser_msgs.srv import Ask

    waiting = [threading.Thread(target=desk.ask, args=(Ask.Request(question="what?"), Ask.Response())) for _ in range(2)]
    for thread in waiting:
        thread.start()
    assert all(entered.acquire(timeout=PATIENCE) for _ in waiting)
    refused = desk.ask(Ask.Request(question="and I?"), Ask.Response())
    leave.set()
    inference.close()
    for thread in waiting:
        thread.join(PATIENCE)
    assert (refused.success, refused.error_code) == (False, ResultCode.BUSY)
