"""Bytes from the network: what the real clients send is read, and nothing that is sent can run, or ask for more than it is."""

from __future__ import annotations

import cv2
import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlaser_core.errors import InputError
from vlaser_core.serve.arrays import pack, pack_text_keys, unpack

# Written by openpi-client 0.1.2 under NumPy 1.26, and by vla-eval 0.8.0.
OPENPI_OBSERVATION = bytes.fromhex(
    "84b16f62736572766174696f6e2f696d61676584c40b5f5f6e6461727261795f5fc3c40464617461c418000102030405060708090a0b0c0d0e0f1011121314151617"
    "c4056474797065a37c7531c405736861706593020403b16f62736572766174696f6e2f737461746584c40b5f5f6e6461727261795f5fc3c40464617461c408000000"
    "3f000080bfc4056474797065a33c6634c40573686170659102a670726f6d7074b370757420636172726f74206f6e20706c617465a47365656407"
)
OPENPI_SCALARS = bytes.fromhex(
    "87a16183c40d5f5f6e7067656e657269635f5fc3c40464617461cb3fe0000000000000c4056474797065a33c6634a16283c40d5f5f6e7067656e657269635f5fc3c4"
    "0464617461c3c4056474797065a37c6231a16383c40d5f5f6e7067656e657269635f5fc3c4046461746103c4056474797065a33c6938a17484c40b5f5f6e64617272"
    "61795f5fc3c40464617461c4107500000070000000670000006f000000c4056474797065a33c5532c40573686170659102a16e81a16c9301cb4004000000000000c0"
    "a173a26869a16584c40b5f5f6e6461727261795f5fc3c40464617461c400c4056474797065a33c6638c4057368617065920003"
)
OPENPI_REPLY = bytes.fromhex(
    "82a7616374696f6e7384c40b5f5f6e6461727261795f5fc3c40464617461c420000000000000f03f000000000000004000000000000008400000000000001040c405"
    "6474797065a33c6638c4057368617065920202ad7365727665725f74696d696e6781a8696e6665725f6d73cb3ff8000000000000"
)
HARNESS_OBSERVATION = bytes.fromhex(
    "84a474797065ab6f62736572766174696f6ea77061796c6f616483a6696d6167657381a77072696d61727984a95f5f696d6167655f5fc3a6666f726d6174a3706e67"
    "a464617461c44d89504e470d0a1a0a0000000d4948445200000004000000020802000000f0caea340000001449444154789c636460e5e28701161b1b1b3807001"
    "5a301d7968cf7310000000049454e44ae426082a5736861706593020403b07461736b5f6465736372697074696f6ea2676fa673746174657384ab5f5f6e6461727261"
    "795f5fc3a464617461c4080000003f0000803fa56474797065a33c6634a573686170659102a373657103a974696d657374616d70cb3ff0000000000000"
)


def array(**fields) -> bytes:
    """A message that is one array, with fields of it changed; None leaves one out."""
    whole = {b"__ndarray__": True, b"data": bytes(8), b"dtype": "<f4", b"shape": [2], **{name.encode(): value for name, value in fields.items()}}
    return msgpack.packb({key: value for key, value in whole.items() if value is not None})


def test_an_observation_of_the_real_openpi_client_is_read():
    message = unpack(OPENPI_OBSERVATION)
    assert set(message) == {"observation/image", "observation/state", "prompt", "seed"}
    assert np.array_equal(message["observation/image"], np.arange(24, dtype=np.uint8).reshape(2, 4, 3))
    assert message["observation/state"].dtype == np.float32 and message["observation/state"].tolist() == [0.5, -1.0]
    assert message["prompt"] == "put carrot on plate" and message["seed"] == 7


def test_scalars_text_and_empty_arrays_of_the_real_client_are_read():
    message = unpack(OPENPI_SCALARS)
    assert message["a"] == 0.5 and message["b"] == True and message["c"] == 3 and message["s"] == "hi"  # noqa: E712
    assert message["t"].tolist() == ["up", "go"] and message["n"] == {"l": [1, 2.5, None]} and message["e"].shape == (0, 3)


def test_our_answer_is_byte_by_byte_what_openpis_server_writes():
    assert pack({"actions": np.array([[1.0, 2.0], [3.0, 4.0]]), "server_timing": {"infer_ms": 1.5}}) == OPENPI_REPLY


def test_the_installed_openpi_client_reads_what_is_written_and_writes_what_is_read():
    theirs = pytest.importorskip("openpi_client.msgpack_numpy", reason="make setup installs openpi-client")
    message = {"a": np.arange(6, dtype=np.int16).reshape(2, 3), "b": np.array([True, False]), "c": np.float64(0.1), "d": {"e": [1, "f"]}}
    for packed, read in ((pack(message), theirs.unpackb), (theirs.packb(message), unpack)):
        back = read(packed)
        assert np.array_equal(back["a"], message["a"]) and back["a"].dtype == np.int16
        assert back["b"].dtype == bool and back["c"] == 0.1 and back["d"] == {"e": [1, "f"]}


def test_an_observation_of_the_real_harness_is_read_with_its_compressed_picture():
    message = unpack(HARNESS_OBSERVATION)
    assert message["type"] == "observation" and message["seq"] == 3
    assert np.array_equal(message["payload"]["images"]["primary"], (np.arange(24, dtype=np.uint8) * 5).reshape(2, 4, 3))
    assert message["payload"]["states"].tolist() == [0.5, 1.0]


def test_the_installed_harness_reads_what_is_written():
    theirs = pytest.importorskip("vla_eval.protocol.messages", reason="make setup installs vla-eval")
    message = theirs.unpack_message(pack_text_keys({"type": "action", "payload": {"actions": np.arange(7.0)}, "seq": 2, "timestamp": 1.0}))
    assert message.type is theirs.MessageType.ACTION and np.array_equal(message.payload["actions"], np.arange(7.0))


@pytest.mark.parametrize("dtype", ["|O", "O", "object", "V8", "<c8", "<M8[s]", "f4,f4", "(1000000,)f4", "<f16", "<U99999999", {"a": 1}, None, b"<f4"])
def test_dtypes_that_are_no_plain_values_are_refused(dtype):
    with pytest.raises(InputError, match="dtype|without"):
        unpack(array(dtype=dtype))


@pytest.mark.parametrize(
    "fields", [{"shape": [3]}, {"shape": [-2]}, {"shape": [2**31, 2]}, {"shape": [2.0]}, {"shape": [True, 2]}, {"shape": [1] * 9}, {"shape": "2"}, {"data": "text"}]
)
def test_an_array_whose_shape_and_bytes_disagree_is_refused(fields):
    with pytest.raises(InputError):
        unpack(array(**fields))


@pytest.mark.parametrize(("dtype", "data"), [("<U2", b"\xff" * 8), (">U1", b"\x7f\0\0\0")])
def test_text_that_is_none_is_refused(dtype, data):
    with pytest.raises(InputError, match="code points"):
        unpack(array(dtype=dtype, data=data, shape=[1]))


@pytest.mark.parametrize("field", ["data", "dtype", "shape"])
def test_an_array_without_one_of_its_fields_is_refused(field):
    with pytest.raises(InputError, match=f"without b'{field}'"):
        unpack(array(**{field: None}))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not msgpack"),
        (b"\xc1", "not msgpack"),
        (OPENPI_OBSERVATION[:-20], "not msgpack"),
        (OPENPI_OBSERVATION + b"\x00", "not msgpack"),
        (b"\x91" * 100_000, "not msgpack"),
        (msgpack.packb({1: 2}), "not msgpack"),
        (msgpack.packb(msgpack.Timestamp(1)), "not msgpack"),
        (msgpack.packb(msgpack.ExtType(4, b"cos\nsystem\n")), "not msgpack"),
        (b"\xdd\x7f\xff\xff\xff", "not msgpack"),
        (msgpack.packb([{}] * 300), "maps"),
        (msgpack.packb([[[] for _ in range(100)] for _ in range(100)]), "lists"),
        (msgpack.packb([0] * 5000), "not msgpack"),
        (msgpack.packb("x" * 100_000), "not msgpack"),
        (msgpack.packb({b"__npgeneric__": True, b"data": 300, b"dtype": "|u1"}), "not msgpack"),
        (msgpack.packb({b"__npgeneric__": True, b"data": [1], b"dtype": "|u1"}), "scalar"),
    ],
)
def test_garbage_and_messages_that_ask_for_much_are_refused(data, reason):
    with pytest.raises(InputError, match=reason):
        unpack(data)


@given(st.binary(max_size=300) | st.binary(max_size=60).map(lambda noise: OPENPI_OBSERVATION[: 4 * len(noise)] + noise))
@settings(max_examples=200, deadline=None)
def test_no_bytes_do_anything_but_be_read_or_refused(data):
    try:
        unpack(data)
    except InputError:
        pass


def compressed(picture: np.ndarray, kind: str, shape=None) -> bytes:
    data = cv2.imencode({"png": ".png", "jpeg": ".jpg"}[kind], picture[..., ::-1])[1].tobytes()
    return msgpack.packb({"__image__": True, "format": kind, "data": data, "shape": list(shape or picture.shape)})


def test_a_jpeg_comes_back_in_its_colours():
    picture = np.full((16, 24, 3), (200, 30, 90), np.uint8)
    assert np.abs(unpack(compressed(picture, "jpeg")).astype(int) - picture).max() < 6
    assert np.array_equal(unpack(compressed(picture, "png")), picture)


def test_a_picture_is_not_decoded_unless_it_is_what_it_says():
    picture = np.zeros((16, 24, 3), np.uint8)
    with pytest.raises(InputError, match="in the shape it says"):
        unpack(compressed(picture, "png", shape=(24, 16, 3)))
    # 60,000 pixels a side in 33 bytes: refused by its header.
    header = b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + b"IHDR" + (60_000).to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
    with pytest.raises(InputError, match="at most"):
        unpack(msgpack.packb({"__image__": True, "format": "png", "data": header, "shape": [60_000, 60_000, 3]}))
    with pytest.raises(InputError, match="format is raw, png or jpeg"):
        unpack(msgpack.packb({"__image__": True, "format": "tiff", "data": b"II", "shape": [1, 1, 3]}))
    with pytest.raises(InputError, match="the file None"):
        unpack(msgpack.packb({"__image__": True, "format": "jpeg", "data": b"\xff\xd8\xff\xe0\x00\x02", "shape": [1, 1, 3]}))
    cut = msgpack.unpackb(compressed(np.random.default_rng(0).integers(0, 255, (16, 24, 3), dtype=np.uint8), "png"))
    with pytest.raises(InputError, match="cannot be decoded"):
        unpack(msgpack.packb({**cut, "data": cut["data"][:40]}))


def test_only_arrays_and_plain_values_are_written():
    for write in (pack, pack_text_keys):
        with pytest.raises(TypeError, match="set cannot be sent"):
            write({"a": {1}})
