"""A view is one instant of every camera and the joints, or a fault that names the topic. No node: messages are handed in."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from sensor_msgs.msg import CompressedImage, JointState  # noqa: E402
from vlaser_msgs.msg import ResultCode  # noqa: E402

from vlaser_core.embodiment import load_embodiment  # noqa: E402
from vlaser_ros.faults import Fault  # noqa: E402
from vlaser_ros.images import to_compressed, to_message  # noqa: E402
from vlaser_ros.joint_history import JointHistory  # noqa: E402
from vlaser_ros.messages import header  # noqa: E402
from vlaser_ros.server.views import Interrupted, Views  # noqa: E402

ROBOT = load_embodiment("widowx")
NAMES = [*ROBOT.joint_names, "left_finger"]
NOW = 1000.0
GREEN = np.zeros((240, 320, 3), np.uint8)
GREEN[..., 1] = 200


def views(robot=ROBOT, topics=("/camera/color/image_raw",)) -> Views:
    return Views(robot, list(topics), JointHistory(robot), lambda: NOW, max_age=0.6, joints_topic="/joint_states")


def joints(stamp: float, names: list[str] = NAMES) -> JointState:
    return JointState(header=header(stamp, "base_link"), name=names, position=[*ROBOT.arms[0].home, 0.037][: len(names)])


def picture(stamp: float, pixels: np.ndarray = GREEN, **changes):
    message = to_message(pixels, header=header(stamp, "camera"))
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def fault_of(made: Views) -> Fault:
    with pytest.raises(Fault) as caught:
        made.wait(-np.inf, 0.0)
    return caught.value


def test_picture_and_joints_of_one_instant_make_a_view():
    made = views()
    for k in range(5):
        made.on_joints(joints(NOW - 0.2 + 0.04 * k))
    made.on_image("image_0", picture(NOW - 0.1))
    view = made.wait(-np.inf, 0.0)
    assert view.stamp == pytest.approx(NOW - 0.1) and view.headers["image_0"].frame_id == "camera"
    np.testing.assert_array_equal(view.observation.images["image_0"], GREEN)
    assert view.observation.proprio[-1] == pytest.approx(1.0)


def test_a_compressed_camera_serves_as_well_as_a_raw_one():
    made = views(topics=("/camera/color/image_raw/compressed",))
    made.on_joints(joints(NOW))
    made.on_image("image_0", to_compressed(GREEN, header=header(NOW, "camera")))
    seen = made.wait(-np.inf, 0.0).observation.images["image_0"]
    assert seen.shape == (240, 320, 3) and np.abs(seen.astype(int) - GREEN).max() < 6
    assert np.abs(made.newest_image("")[0].astype(int) - GREEN).max() < 6


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (picture(NOW, encoding="yuv422"), "yuv422"),
        (picture(NOW, step=100), "step is 100"),
        (picture(NOW, height=241), "320×241"),
        (picture(NOW, np.zeros((320, 320, 3), np.uint8)), "320×320.*320×240"),
        (picture(NOW, np.zeros((240, 424, 3), np.uint8)), "424×240.*320×240"),
        (CompressedImage(header=header(NOW, "camera"), format="jpeg", data=b"no picture"), "cannot be decoded"),
    ],
)
def test_a_picture_that_cannot_be_used_is_named_with_its_topic(message, words):
    made = views()
    made.on_joints(joints(NOW))
    made.on_image("image_0", message)
    fault = fault_of(made)
    assert fault.code == ResultCode.BAD_CAMERA_IMAGE and "/camera/color/image_raw" in str(fault)
    with pytest.raises(Fault, match=words):
        made.newest_image("image_0")


@pytest.mark.parametrize("size", [(480, 640), (120, 160), (241, 320)])
def test_another_size_of_the_same_shape_is_welcome(size):
    made = views()
    made.on_joints(joints(NOW))
    made.on_image("image_0", picture(NOW, np.zeros((*size, 3), np.uint8)))
    assert made.wait(-np.inf, 0.0).observation.images["image_0"].shape == (*size, 3)


def test_what_is_missing_is_named_one_thing_after_the_other():
    made = views()
    fault = fault_of(made)
    assert fault.code == ResultCode.NO_IMAGE and "/camera/color/image_raw" in str(fault)
    made.on_image("image_0", picture(NOW))
    fault = fault_of(made)
    assert fault.code == ResultCode.NO_JOINT_STATES and "/joint_states" in str(fault)
    made.on_joints(joints(NOW, ["panda_joint1"]))
    fault = fault_of(made)
    assert fault.code == ResultCode.JOINTS_MISMATCH and "panda_joint1" in str(fault) and "waist" in str(fault)
    made.on_joints(joints(NOW))
    assert made.wait(-np.inf, 0.0).stamp == NOW


def test_a_picture_that_is_too_old_is_no_view():
    made = views()
    made.on_joints(joints(NOW))
    made.on_image("image_0", picture(NOW - 0.7))
    assert fault_of(made).code == ResultCode.STALE_OBSERVATION
    with pytest.raises(Fault, match="0.70 s old, at most 0.60 s"):
        made.newest_image("")


def test_joints_that_stopped_before_the_picture_are_not_carried_over():
    made = views()
    made.on_joints(joints(NOW - 0.3))
    made.on_image("image_0", picture(NOW))
    assert fault_of(made).code == ResultCode.NO_JOINT_STATES


def test_cameras_of_different_instants_are_never_joined():
    robot = dataclasses.replace(ROBOT, cameras=(ROBOT.cameras[0], dataclasses.replace(ROBOT.cameras[0], name="wrist")))
    made = views(robot, ("/front", "/wrist"))
    made.on_joints(joints(NOW))
    made.on_image("image_0", picture(NOW))
    assert "'/wrist'" in str(fault_of(made))
    made.on_image("wrist", picture(NOW - 0.2))
    assert fault_of(made).code == ResultCode.STALE_OBSERVATION
    made.on_image("wrist", picture(NOW - 0.01))
    assert set(made.wait(-np.inf, 0.0).observation.images) == {"image_0", "wrist"}


def test_whoever_is_cancelled_does_not_wait_for_a_camera():
    with pytest.raises(Interrupted):
        views().wait(-np.inf, 60.0, lambda: True)
