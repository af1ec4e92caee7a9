"""Pictures survive the wire in every encoding, padded, big-endian or compressed; what cannot be read is named."""

from __future__ import annotations

import array

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2's Python packages")

from sensor_msgs.msg import CompressedImage, Image  # noqa: E402

from vlaser_core.errors import InputError  # noqa: E402
from vlaser_ros.images import colour, from_compressed, to_array, to_compressed, to_message  # noqa: E402

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "rgba8", "bgra8", "8UC3"])
def test_colour_comes_back_as_it_went(encoding):
    message = to_message(PICTURE, encoding)
    assert message.encoding == encoding and isinstance(message.data, array.array)
    np.testing.assert_array_equal(to_array(message), PICTURE)


@pytest.mark.parametrize(("encoding", "dtype"), [("mono8", np.uint8), ("8UC1", np.uint8), ("mono16", np.uint16), ("16UC1", np.uint16), ("32FC1", np.float32)])
def test_single_channels_keep_their_type_and_values(encoding, dtype):
    values = (RNG.random((5, 7)) * 200).astype(dtype)
    got = to_array(to_message(values, encoding))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, values)


def test_red_is_first_whatever_the_wire_says():
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = 255
    assert bytes(to_message(red, "bgr8").data[:3]) == b"\x00\x00\xff"
    assert to_array(Image(encoding="bgr8", height=1, width=1, step=3, data=array.array("B", [0, 0, 255])))[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("last_row_padded", [True, False])
def test_rows_padded_to_a_step_are_read_without_the_padding(last_row_padded):
    padded = np.zeros((5, 32), np.uint8)
    padded[:, :21] = PICTURE.reshape(5, 21)
    raw = padded.tobytes() if last_row_padded else padded.tobytes()[:-11]
    message = Image(encoding="rgb8", height=5, width=7, step=32, data=array.array("B", raw))
    np.testing.assert_array_equal(to_array(message), PICTURE)


def test_big_endian_depth_is_swapped():
    depth = np.array([[258, 3]], dtype=np.uint16)
    message = Image(encoding="16UC1", height=1, width=2, step=4, is_bigendian=1, data=array.array("B", depth.astype(">u2").tobytes()))
    np.testing.assert_array_equal(to_array(message), depth)


def test_the_array_does_not_share_the_message_memory():
    message = to_message(PICTURE)
    got = to_array(message)
    got[:] = 0
    np.testing.assert_array_equal(to_array(message), PICTURE)


def test_compressed_pictures_stay_close_and_in_colour_order():
    smooth = cv2.resize(PICTURE, (64, 48), interpolation=cv2.INTER_CUBIC)
    back = from_compressed(to_compressed(smooth, quality=95))
    assert np.abs(back.astype(int) - smooth).mean() < 4


def test_grey_becomes_three_channels():
    grey = RNG.integers(0, 256, (4, 4), dtype=np.uint8)
    assert (colour(to_message(grey, "mono8")) == grey[:, :, None]).all()


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (Image(encoding="yuv422", height=2, width=2), "yuv422.*rgb8"),
        (Image(encoding="rgb8", height=0, width=2), "2×0"),
        (Image(encoding="rgb8", height=2, width=100000), "100000"),
        (Image(encoding="rgb8", height=2, width=2, step=5, data=array.array("B", bytes(12))), "step is 5"),
        (Image(encoding="rgb8", height=2, width=2, step=6, data=array.array("B", bytes(11))), "11 bytes"),
        (Image(encoding="rgb8", height=2, width=2, step=6), "0 bytes"),
    ],
)
def test_what_cannot_be_read_is_named(message, words):
    with pytest.raises(InputError, match=words):
        to_array(message)


@pytest.mark.parametrize("raw", [b"", b"no picture"])
def test_bytes_that_are_no_picture_are_refused(raw):
    with pytest.raises(InputError, match="cannot be decoded"):
        from_compressed(CompressedImage(format="jpeg", data=array.array("B", raw)))


def test_depth_is_not_taken_for_a_colour_picture():
    with pytest.raises(InputError, match="16UC1"):
        colour(to_message(np.zeros((2, 2), np.uint16), "16UC1"))


def test_arrays_that_do_not_fit_the_encoding_are_refused():
    with pytest.raises(InputError, match="float64"):
        to_message(np.zeros((2, 2, 3)))
    with pytest.raises(InputError, match="rgb8 takes"):
        to_message(np.zeros((2, 2), np.uint8))


def test_it_agrees_with_cv_bridge_where_that_is_installed():
    bridge = pytest.importorskip("cv_bridge", reason="cv_bridge comes with a full ROS 2")
    for encoding in ("rgb8", "bgr8"):
        message = to_message(PICTURE, encoding)
        np.testing.assert_array_equal(bridge.CvBridge().imgmsg_to_cv2(message, "rgb8"), to_array(message))
