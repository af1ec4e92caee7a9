"""Pictures read from their serialised bytes are the messages that rclpy makes of the same bytes."""

from __future__ import annotations

import array
import struct

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 messages")

from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402

from vlaser_core.errors import InputError  # noqa: E402
from vlaser_ros.images import colour, to_array, to_compressed, to_message  # noqa: E402
from vlaser_ros.messages import header  # noqa: E402
from vlaser_ros.serialized_images import read_compressed, read_image  # noqa: E402

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 11, 3), dtype=np.uint8)
FIELDS = {Image: ("header", "height", "width", "encoding", "is_bigendian", "step"), CompressedImage: ("header", "format")}


@pytest.mark.parametrize("frame", ["", "a", "cam", "camera_color_optical_frame", "机械臂"])
@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "8UC3", "bgra8"])
def test_every_field_and_pixel_is_the_messages(frame, encoding):
    sent = to_message(PIXELS, encoding, header=header(1234.56789, frame))
    content = serialize_message(sent)
    read, made = read_image(content), deserialize_message(content, Image)
    assert [getattr(read, name) for name in FIELDS[Image]] == [getattr(made, name) for name in FIELDS[Image]]
    assert bytes(read.data) == made.data.tobytes()
    np.testing.assert_array_equal(colour(read), PIXELS)
    assert colour(made).flags.writeable and colour(made).base is None


@pytest.mark.parametrize("frame", ["", "a", "wrist"])
def test_a_compressed_picture_too(frame):
    content = serialize_message(to_compressed(np.full((16, 16, 3), 90, np.uint8), header=header(7.5, frame)))
    read, made = read_compressed(content), deserialize_message(content, CompressedImage)
    assert [getattr(read, name) for name in FIELDS[CompressedImage]] == [getattr(made, name) for name in FIELDS[CompressedImage]]
    np.testing.assert_array_equal(colour(read), colour(made))


def test_padded_rows_and_single_channels_are_read_as_from_a_message():
    depth = np.arange(99, dtype=np.uint16).reshape(9, 11)
    np.testing.assert_array_equal(to_array(read_image(serialize_message(to_message(depth, "16UC1")))), depth)
    padded = np.zeros((9, 40), np.uint8)
    padded[:, :33] = PIXELS.reshape(9, 33)
    message = Image(height=9, width=11, encoding="rgb8", step=40, data=array.array("B", padded.tobytes()))
    np.testing.assert_array_equal(colour(read_image(serialize_message(message))), PIXELS)


@pytest.mark.parametrize(("mark", "order"), [(b"\0\0\0\0", ">"), (b"\0\1\0\0", "<"), (b"\0\6\0\1", ">"), (b"\0\7\0\1", "<")])
def test_every_machines_byte_order_and_times_before_1970_are_understood(mark, order):
    numbers = struct.Struct(f"{order}II")
    content = mark + struct.pack(f"{order}iII", -2, 5, 4) + b"eye\0" + numbers.pack(1, 1) + struct.pack(f"{order}I", 5) + b"rgb8\0"
    content += b"\1" + b"?" * 2 + numbers.pack(3, 3) + b"xyz"
    read = read_image(content)
    assert (read.header.stamp.sec, read.header.stamp.nanosec, read.header.frame_id) == (-2, 5, "eye")
    assert (read.height, read.width, read.encoding, read.is_bigendian, read.step, bytes(read.data)) == (1, 1, "rgb8", 1, 3, b"xyz")


def test_received_pixels_are_shared_and_cannot_be_changed():
    pixels = colour(read_image(serialize_message(to_message(PIXELS))))
    assert not pixels.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        pixels[0, 0] = 0


def test_bytes_that_are_no_picture_are_refused_wherever_they_end():
    content = serialize_message(to_message(PIXELS, header=header(1.0, "camera")))
    for end in (0, 2, 4, 9, 17, 25, 30, 41, 50, len(content) // 2):
        with pytest.raises(InputError, match="serialised picture (ends after|begins with)"):
            read_image(content[:end])
    with pytest.raises(InputError, match="begins with ff ff 00 00"):
        read_image(b"\xff\xff" + content[2:])
    with pytest.raises(InputError, match="are needed"):
        read_compressed(content[:20] + b"\xff" * 8)
