"""A view is one instant of every camera and the joints, or a fault that names the topic. No node: messages are handed in."""

from __future__ import annotations

import dataclasses
import threading

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


@pytest.mark.parametrize("earlier", [None, NOW - 5.0])
def test_a_question_waits_for_a_camera_that_is_not_yet_known(earlier):
    made, times = views(), iter(range(100))
    if earlier is not None:
        made.on_image("image_0", picture(earlier))

    def clock() -> float:
        passed = next(times)
        if passed == 3:
            made.on_image("image_0", picture(NOW))
        return passed

    assert made.newest_image("", timeout=5.0, clock=clock)[1].stamp.sec == NOW
    assert next(times) == 4, "not a look longer than needed"


def test_who_has_sent_nothing_may_yet_be_discovered_and_is_waited_for():
    made = Views(ROBOT, ["/front"], JointHistory(ROBOT), lambda: NOW, max_age=0.6, discovery=60.0)

    def camera_comes() -> None:
        made.on_joints(joints(NOW))
        made.on_image("image_0", picture(NOW))

    threading.Timer(0.3, camera_comes).start()
    assert made.wait(-np.inf, 0.0).stamp == NOW
    # Once known, nobody is waited for beyond the time.
    with pytest.raises(Fault, match="no new image"):
        made.wait(NOW, 0.0)
    never = Views(ROBOT, ["/front"], JointHistory(ROBOT), lambda: NOW, max_age=0.6, discovery=0.2)
    for ask in (lambda: never.wait(-np.inf, 0.0), lambda: never.newest_image("")):
        with pytest.raises(Fault, match="no image was received"):
            ask()


def test_a_question_waits_no_longer_than_told():
    times = iter(range(100))
    with pytest.raises(Fault, match="no image was received"):
        views().newest_image("", timeout=3.0, clock=lambda: next(times))
    assert next(times) == 4


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


TWO = dataclasses.replace(ROBOT, cameras=(ROBOT.cameras[0], dataclasses.replace(ROBOT.cameras[0], name="wrist")))


def two_cameras(**options) -> Views:
    made = Views(TWO, ["/front", "/wrist/compressed"], JointHistory(TWO), lambda: NOW, max_age=0.6, joints_topic="/joint_states", **options)
    for k in range(8):
        made.on_joints(joints(NOW - 0.35 + 0.05 * k))
    return made


def wrist(stamp: float) -> CompressedImage:
    return to_compressed(GREEN, header=header(stamp, "wrist"))


def test_a_raw_and_a_compressed_camera_make_one_view():
    made = two_cameras()
    made.on_image("image_0", picture(NOW))
    made.on_image("wrist", wrist(NOW - 0.02))
    images = made.wait(-np.inf, 0.0).observation.images
    assert [images[name].shape for name in ("image_0", "wrist")] == [(240, 320, 3)] * 2


def test_the_newest_complete_set_is_taken_and_in_it_the_nearest_pictures():
    made = two_cameras()
    for k in range(4):
        made.on_image("image_0", picture(NOW - 0.3 + 0.1 * k))  # … -0.1, 0
    for k in range(9):
        made.on_image("wrist", wrist(NOW - 0.34 + 0.033 * k))  # 30 Hz, its last at -0.076
    view = made.wait(-np.inf, 0.0)
    assert view.stamp == pytest.approx(NOW - 0.1)
    gap = view.headers["wrist"].stamp.sec + view.headers["wrist"].stamp.nanosec * 1e-9 - view.stamp
    assert abs(gap) < 0.02, "the picture before or after would be farther off"


def test_no_picture_of_a_view_is_from_before_the_request():
    made = two_cameras()
    made.on_image("image_0", picture(NOW))
    made.on_image("wrist", wrist(NOW - 0.03))
    assert made.wait(NOW - 0.04, 0.0).stamp == NOW
    with pytest.raises(Fault, match="'/wrist/compressed'"):
        made.wait(NOW - 0.02, 0.0)


def test_a_camera_that_dies_is_named_and_not_the_one_that_lives():
    made = two_cameras()
    made.on_image("wrist", wrist(NOW - 2.0))
    for k in range(3):
        made.on_image("image_0", picture(NOW - 0.2 + 0.1 * k))
    fault = fault_of(made)
    assert fault.code == ResultCode.STALE_OBSERVATION and "camera 'wrist'" in str(fault) and "2.00 s old" in str(fault)
    assert made.lag("wrist") == pytest.approx(2.0) and made.lag("image_0") == 0.0


def test_cameras_that_never_meet_are_named_with_their_gap():
    made = two_cameras()
    made.on_image("image_0", picture(NOW))
    made.on_image("wrist", wrist(NOW - 0.2))
    fault = fault_of(made)
    assert fault.code == ResultCode.STALE_OBSERVATION and "0.200 s apart" in str(fault) and "0.050 s" in str(fault)


def test_a_camera_that_lags_meets_its_partner_among_the_older_frames():
    made = two_cameras()
    for k in range(10):
        made.on_image("image_0", picture(NOW - 0.3 + k / 30))
    made.on_image("wrist", wrist(NOW - 0.3))
    assert made.wait(-np.inf, 0.0).stamp == pytest.approx(NOW - 0.3 + 1 / 30), "the newest within 0.05 s of it"


@pytest.mark.parametrize(("ahead", "words"), [(3.2, "3.20 s in the future.*clocks"), (1.7e9 - 2 * NOW, "in the future.*use_sim_time")])
def test_a_stamp_from_the_future_is_no_view_and_points_at_the_clocks(ahead, words):
    made = views()
    made.on_joints(joints(NOW))
    made.on_image("image_0", picture(NOW + ahead))
    with pytest.raises(Fault, match=words) as caught:
        made.wait(-np.inf, 0.0)
    assert caught.value.code == ResultCode.STALE_OBSERVATION
    with pytest.raises(Fault, match=words):
        made.newest_image("")


def test_joint_states_of_another_clock_are_named_and_poison_nothing():
    made = views()
    made.on_joints(joints(NOW + 1.7e9))
    made.on_image("image_0", picture(NOW))
    fault = fault_of(made)
    assert fault.code == ResultCode.NO_JOINT_STATES and "in the future" in str(fault) and "use_sim_time" in str(fault)
    made.on_joints(joints(NOW))
    assert made.wait(-np.inf, 0.0).stamp == NOW


def test_what_was_seen_before_a_jump_of_the_clock_is_forgotten_and_what_comes_after_counts():
    clock = [NOW + 50.0]
    made = Views(ROBOT, ["/camera"], JointHistory(ROBOT), lambda: clock[0], max_age=0.6)
    made.on_joints(joints(NOW + 50.0))
    made.on_image("image_0", picture(NOW + 50.0))
    assert made.wait(-np.inf, 0.0).stamp == NOW + 50.0
    clock[0] = NOW
    made.clear()
    assert fault_of(made).code == ResultCode.NO_IMAGE
    made.on_joints(joints(NOW))
    made.on_image("image_0", picture(NOW))
    assert made.wait(-np.inf, 0.0).stamp == NOW


def test_the_wait_for_a_view_is_measured_by_the_clock_it_is_given():
    moments = iter([10.0, 10.5, 10.9, 11.1])
    made = views()
    with pytest.raises(Fault):
        made.wait(-np.inf, 1.0, clock=lambda: next(moments))
    with pytest.raises(StopIteration):
        next(moments)


def test_whoever_is_cancelled_does_not_wait_for_a_camera():
    with pytest.raises(Interrupted):
        views().wait(-np.inf, 60.0, lambda: True)
