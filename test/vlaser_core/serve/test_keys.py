"""Which key is what: nothing missing, unknown or misshapen gets past, and every refusal names the key."""

from __future__ import annotations

import numpy as np
import pytest

from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import ConfigError, InputError
from vlaser_core.serve.keys import default_keys, flattened, load_keys, picture, request_of

WIDOWX = load_embodiment("widowx")
KEYS = default_keys(WIDOWX)
CAMERAS = ("image_0",)


def asked(view, **changes):
    message = {**view, **changes}
    return request_of({key: value for key, value in message.items() if value is not None}, KEYS, WIDOWX, CAMERAS, stamp=3.0)


def test_a_message_becomes_an_observation(view):
    request = asked(view, seed=np.int64(4))
    assert np.array_equal(request.observation.images["image_0"], view["observation/image"])
    assert request.observation.proprio.tolist() == list(range(7)) and request.observation.stamp == 3.0
    assert request.instruction == "put carrot on plate" and request.seed == 4


def test_a_nested_message_is_the_same_as_one_with_slashes(view):
    nested = {"observation": {"image": view["observation/image"], "state": view["observation/state"]}, "prompt": view["prompt"]}
    assert np.array_equal(request_of(nested, KEYS, WIDOWX, CAMERAS, 0.0).observation.images["image_0"], view["observation/image"])
    with pytest.raises(InputError, match="'observation/image' is there twice"):
        request_of({**nested, "observation/image": view["observation/image"]}, KEYS, WIDOWX, CAMERAS, 0.0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"observation/image": None}, "missing 'observation/image', the picture of camera 'image_0'"),
        ({"observation/state": None}, "missing 'observation/state'"),
        ({"prompt": None}, "missing 'prompt'"),
        ({"observation/wrist_image": np.zeros((8, 8, 3), np.uint8)}, "unknown keys 'observation/wrist_image'.*observation/image, observation/state, prompt"),
        ({"observation/state": np.zeros(8)}, "must be 7 values .x, y, z.*got 8"),
        ({"observation/state": np.zeros((1, 7))}, "one dimension"),
        ({"observation/state": np.full(7, np.nan)}, "finite"),
        ({"observation/state": "seven"}, "finite numbers"),
        ({"observation/state": [1.0, [2.0]]}, "finite numbers"),
        ({"observation/state": np.array(["a"])}, "finite numbers"),
        ({"prompt": 3}, "'prompt' must be text, got int"),
        ({"prompt": np.array(["a", "b"])}, "'prompt' must be text"),
        ({"seed": -1}, "'seed' must be a whole number"),
        ({"seed": True}, "'seed' must be a whole number"),
        ({"seed": 1.5}, "'seed' must be a whole number"),
        ({"seed": 2**63}, "'seed' must be a whole number"),
        ({"observation/image": [1, 2]}, "one RGB picture .height, width, 3., got list"),
        ({"observation/image": np.zeros((24, 32), np.uint8)}, r"got shape \(24, 32\)"),
        ({"observation/image": np.zeros((1, 24, 32, 3), np.uint8)}, r"got shape \(1, 24, 32, 3\)"),
        ({"observation/image": np.zeros((24, 32, 4), np.uint8)}, r"got shape \(24, 32, 4\)"),
        ({"observation/image": np.full((24, 32, 3), 200.0)}, "floats outside 0…1; send uint8"),
        ({"observation/image": np.full((24, 32, 3), np.nan)}, "floats outside 0…1"),
        ({"observation/image": np.zeros((24, 32, 3), np.int64)}, "got int64"),
    ],
)
def test_what_is_missing_unknown_or_misshapen_is_named(view, changes, reason):
    with pytest.raises(InputError, match=reason):
        asked(view, **changes)


def test_numbers_may_come_as_a_list_and_text_as_an_array(view):
    request = asked(view, **{"observation/state": [0, 1, 2.5, 3, 4, 5, 6], "prompt": np.array("go")})
    assert request.observation.proprio[2] == 2.5 and request.instruction == "go"


def test_floats_are_scaled_and_channels_first_is_turned_as_openpi_does():
    given = np.random.default_rng(0).uniform(0, 1, (24, 32, 3))
    assert np.array_equal(picture(given, "k"), (255 * given).astype(np.uint8))
    turned = picture(np.ascontiguousarray((255 * given).astype(np.uint8).transpose(2, 0, 1)), "k")
    assert np.array_equal(turned, (255 * given).astype(np.uint8)) and turned.flags.c_contiguous


@pytest.mark.parametrize("message", [None, [1], "text", 3.0, np.zeros(3)])
def test_a_message_is_a_map(message):
    with pytest.raises(InputError, match="a message is a map"):
        flattened(message)


def test_nesting_has_an_end():
    with pytest.raises(InputError, match="at most 4 deep"):
        flattened({"a": {"b": {"c": {"d": {"e": 1}}}}})


def test_several_cameras_have_a_key_each_and_those_the_policy_looks_through_are_needed():
    aloha = load_embodiment("aloha")
    keys = default_keys(aloha)
    assert dict(keys.cameras) == {
        "observation/image": "cam_high",
        "observation/cam_left_wrist": "cam_left_wrist",
        "observation/cam_right_wrist": "cam_right_wrist",
    }
    small = np.zeros((8, 8, 3), np.uint8)
    message = {"observation/image": small, "observation/cam_left_wrist": small, "observation/state": np.zeros(14), "prompt": "go"}
    assert set(request_of(message, keys, aloha, ("cam_high",), 0.0).observation.images) == {"cam_high", "cam_left_wrist"}
    with pytest.raises(InputError, match="missing 'observation/cam_right_wrist', the picture of camera 'cam_right_wrist'"):
        request_of(message, keys, aloha, ("cam_high", "cam_left_wrist", "cam_right_wrist"), 0.0)
    with pytest.raises(InputError, match="'observation/cam_left_wrist' must be one RGB picture"):
        request_of({**message, "observation/cam_left_wrist": 1}, keys, aloha, ("cam_high",), 0.0)


def test_a_file_says_another_clients_keys(tmp_path):
    path = tmp_path / "droid.yaml"
    path.write_text(
        "cameras: {observation/exterior_image_1_left: image_0}\nstate: [observation/cartesian_position, observation/gripper_position]\n"
        "ignore: [observation/wrist_image_left]\n"
    )
    keys = load_keys(path, WIDOWX, default_prompt="tidy up")
    small = np.zeros((8, 8, 3), np.uint8)
    message = {
        "observation/exterior_image_1_left": small,
        "observation/wrist_image_left": "not looked at",
        "observation/cartesian_position": np.arange(6.0),
        "observation/gripper_position": np.float32(1.0),
    }
    request = request_of(message, keys, WIDOWX, CAMERAS, 0.0)
    assert request.observation.proprio.tolist() == [0, 1, 2, 3, 4, 5, 1] and request.instruction == "tidy up"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("cameras: {a: wrist}", "has no camera 'wrist'"),
        ("cameras: {a: image_0, b: image_0}", "two keys stand for camera 'image_0'"),
        ("cameras: {a: image_0}\nstate: [a]", "stand for more than one thing"),
        ("cameras: {seed: image_0}", "stand for more than one thing"),
        ("cameras: {a: image_0}\nstate: []", "the state has no key"),
        ("cameras: {a: image_0}\nlayout: chw", "layout"),
        ("- a", "holds list"),
    ],
)
def test_a_file_of_keys_that_cannot_work_is_refused(tmp_path, content, reason):
    path = tmp_path / "keys.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=reason):
        load_keys(path, WIDOWX)


def test_every_camera_the_policy_looks_through_has_a_key(tmp_path):
    path = tmp_path / "keys.yaml"
    path.write_text("cameras: {observation/wrist: cam_left_wrist}")
    keys = load_keys(path, load_embodiment("aloha"))
    keys.require(["cam_left_wrist"])
    with pytest.raises(ConfigError, match="no key stands for camera 'cam_high'"):
        keys.require(["cam_high"])
