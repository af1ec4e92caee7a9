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


def test_chunks_predicted_together_are_those_predicted_alone(engine, view, picture):
    other = Observation({"image_0": 255 - picture}, np.linspace(-0.1, 0.1, 7), stamp=13.0)
    # Instructions of different lengths: the shorter prompt is padded.
    requests = [(view, "go", 3), (other, "put the carrot on the plate beside the towel", 4), (view, "put carrot on plate", 3)]
    together = engine.predict_together(requests)
    for chunk, (observation, text, seed) in zip(together, requests, strict=True):
        alone = engine.predict(observation, text, seed=seed)
        np.testing.assert_allclose(chunk.actions, alone.actions, atol=1e-5)
        assert chunk.stamp == observation.stamp
    assert engine.predict_together([]) == []
    with pytest.raises(InputError, match="empty"):
        engine.predict_together([*requests, (view, "", 1)])


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"method": "rk4"}])
def test_a_flow_that_cannot_be_integrated_is_refused(engine, view, wrong):
    with pytest.raises(InputError, match="flow step|integration method"):
        engine.predict(view, "put carrot on plate", seed=1, **wrong)


def test_heun_and_more_steps_are_for_the_caller_to_choose(engine, view):
    chosen = ({}, {"method": "heun"}, {"steps": 3}, {"steps": 50}, {"steps": 30, "method": "heun"})
    euler, heun, few, many, exact = (engine.predict(view, "put carrot on plate", seed=1, **how).actions for how in chosen)
    near, far = (np.abs(rough - exact).max() for rough in (many, few))
    assert not np.array_equal(euler, heun) and near < far / 3


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


def test_questions_that_are_asked_together_are_answered_as_alone(engine, picture):
    wide = np.ascontiguousarray(picture[:, ::-1])
    questions = [([picture], "Where is the carrot?"), ([picture, wide], "Is <image> like <image>?"), ([wide], "List the steps to put the carrot on the plate, one by one.")]
    together = engine.ask_together([*questions, ([picture], "x " * 3000)], max_new_tokens=6)
    assert [text for text, _ in together[:3]] == [engine.ask(*question, max_new_tokens=6).text for question in questions]
    # Cut off at six tokens, or ended before.
    assert [whole for _, whole in together[:3]] == [len(engine.tokenizer(text)["input_ids"]) < 6 for text, _ in together[:3]]
    # One that does not fit the model costs the others nothing.
    assert isinstance(together[3], InputError) and "tokens" in str(together[3])
    assert engine.ask_together([]) == [] and isinstance(engine.ask_together([([], "no picture")])[0], InputError)


def test_an_unknown_device_or_dtype_is_refused():
    with pytest.raises(ConfigError, match="float8"):
        Engine.load(dtype="float8")
    with pytest.raises(CheckpointError, match="no checkpoint folder"):
        Engine.load("nowhere")


def test_an_action_goes_before_text_that_waits():
    turnstile, order = _Turnstile(), []

    def later(kind, label):
        with kind():
            order.append(label)

    waiting = [threading.Thread(target=later, args=turn) for turn in ((turnstile.text, "second token"), (turnstile.action, "action"))]
    with turnstile.text():
        for thread in waiting:
            thread.start()
        while len(turnstile._condition._waiters) < 2:  # both have come and must wait
            time.sleep(0.001)
        order.append("first token")
    for thread in waiting:
        thread.join()
    assert order == ["first token", "action", "second token"]
