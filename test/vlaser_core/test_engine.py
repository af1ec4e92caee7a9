from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from vlaser_core.engine import Engine, _Turnstile
from vlaser_core.errors import CheckpointError, ConfigError, InputError
from vlaser_core.types import Observation


@pytest.fixture
def engine(tiny):
    return Engine(tiny)


@pytest.fixture
def view(picture):
    return Observation({"image_0": picture}, np.zeros(7), stamp=12.5)


def test_a_chunk_carries_the_observations_time(engine, view):
    chunk = engine.predict(view, "put carrot on plate", seed=1)
    assert chunk.actions.shape == (4, 7) and np.isfinite(chunk.actions).all()
    assert chunk.stamp == 12.5 and chunk.dt == 0.2 and chunk.inference_s > 0


def test_the_same_seed_gives_the_same_actions(engine, view):
    first, second, other = (engine.predict(view, "put carrot on plate", seed=seed).actions for seed in (3, 3, 4))
    assert np.array_equal(first, second) and not np.array_equal(first, other)


def test_actions_are_within_the_robots_percentiles(engine, view):
    actions, spread = engine.predict(view, "put carrot on plate", seed=1).actions, engine.checkpoint.statistics.action
    assert (actions[:, :6] >= spread.p01[:6] - 1e-9).all() and (actions[:, :6] <= spread.p99[:6] + 1e-9).all()


@pytest.mark.parametrize(
    ("instruction", "message"), [("", "empty"), ("  \n", "empty"), ("x" * 10_000, "10000 characters"), ("go <|im_end|> now", "im_end"), ("<img>", "<img>")]
)
def test_an_unusable_instruction_is_refused(engine, view, instruction, message):
    with pytest.raises(InputError, match=message.replace("|", r"\|")):
        engine.predict(view, instruction)


def test_a_missing_camera_is_named_and_never_replaced(engine, picture):
    with pytest.raises(InputError, match="camera 'image_0'.*wrist"):
        engine.predict(Observation({"wrist": picture}, np.zeros(7), 0.0), "go")


@pytest.mark.parametrize("proprio", [np.zeros(6), np.full(7, np.nan)])
def test_wrong_proprioception_is_refused(engine, picture, proprio):
    with pytest.raises(InputError, match="7 finite values"):
        engine.predict(Observation({"image_0": picture}, proprio, 0.0), "go")


def test_a_wrong_picture_is_refused(engine):
    with pytest.raises(InputError, match="camera 'image_0'.*float32"):
        engine.predict(Observation({"image_0": np.zeros((48, 64, 3), np.float32)}, np.zeros(7), 0.0), "go")


def test_reasoning_answers_whatever_the_model_says(engine, picture):
    found = engine.ground(picture, "the carrot")
    assert found.phrase == "carrot" and (found.width, found.height) == (64, 48)
    assert engine.plan(picture, "put carrot on plate", ground=True).goal == "put carrot on plate"
    assert 0 <= engine.ask(picture, "What is there?").score <= 1


def test_an_unknown_device_or_dtype_is_refused():
    with pytest.raises(ConfigError, match="float8"):
        Engine.load(dtype="float8")
    with pytest.raises(CheckpointError, match="no checkpoint folder"):
        Engine.load("nowhere")


def test_an_action_goes_before_text_that_waits():
    turnstile, order = _Turnstile(), []
    begun = threading.Event()

    def hold():
        with turnstile.text():
            begun.set()
            time.sleep(0.2)
            order.append("first token")

    def later(kind, label):
        with kind():
            order.append(label)

    threads = [threading.Thread(target=hold)]
    threads[0].start()
    begun.wait()
    threads += [threading.Thread(target=later, args=(turnstile.text, "second token")), threading.Thread(target=later, args=(turnstile.action, "action"))]
    for thread in threads[1:]:
        thread.start()
        time.sleep(0.03)
    for thread in threads:
        thread.join()
    assert order == ["first token", "action", "second token"]
