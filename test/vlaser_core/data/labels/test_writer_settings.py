from __future__ import annotations

import dataclasses
import pickle

import cv2
import numpy as np
import pytest

from vlaser_core.data.labels.budget import Budget
from vlaser_core.data.labels.chat import Refused, Request
from vlaser_core.data.labels.families import filled, load_families
from vlaser_core.data.labels.local import LocalWriter
from vlaser_core.data.labels.spec import Opened, WriterSpec, load_writer
from vlaser_core.data.source import Picture
from vlaser_core.embodiment import config_directory
from vlaser_core.errors import ConfigError, InputError
from vlaser_core.reasoning.types import Answer


@pytest.mark.parametrize("path", sorted((config_directory() / "data" / "labels").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_file_that_ships_can_be_read(path):
    if path.stem == "families":
        assert {"general", "spatial", "grounding", "planning", "caption", "region"} == set(load_families().families)
    else:
        assert load_writer(path.stem) == load_writer(str(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: m\n", "an endpoint, or a checkpoint"),
        ("model: m\nendpoint: http://a/v1\ncheckpoint: b\n", "an endpoint, or a checkpoint"),
        ("model: m\nendpoint: http://a/v1\nkey: secret\n", "key: Unexpected"),
        ("model: m\nendpoint: http://a/v1\nconcurrency: '4'\n", "concurrency: Input should be a valid integer"),
        ("model: m\nendpoint: http://a/v1\nconcurrency: 0\n", "at least 1"),
        ("model: m\nendpoint: http://a/v1\ngrid: {unit: inches}\n", "grid.unit"),
        ("model: m\nendpoint: http://a/v1\nbudget: {money: 5}\n", "needs the prices"),
        ("model: [", "is not YAML"),
    ],
)
def test_a_writers_file_that_is_wrong_is_named_with_the_field(tmp_path, text, message):
    path = tmp_path / "w.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as raised:
        load_writer(str(path))
    assert str(path) in str(raised.value)


def test_an_unknown_writer_lists_those_that_ship():
    with pytest.raises(ConfigError, match="known: local, qwen2_5_vl"):
        load_writer("gpt")


def test_where_a_model_runs_and_what_it_may_cost_does_not_make_another_build(spec):
    elsewhere = dataclasses.replace(
        spec(concurrency=1, timeout=1.0, budget=Budget(requests=5)), endpoint="http://elsewhere/v1", key_file="key"
    )
    assert elsewhere.settings == spec().settings != dataclasses.replace(spec(), model="another").settings


def test_a_writer_travels_to_a_worker_unopened(spec, cache):
    opened = Opened(spec(), cache)
    opened.write(Request("?"))
    again = pickle.loads(pickle.dumps(opened))
    assert again.model == "fake-vl" and again.write(Request("?")).text


def test_braces_in_what_is_filled_in_stay_what_they_are():
    assert filled("{a} and {b}", a="{b}", b="x{a}") == "{b} and x{a}"


class Model:
    """What a writer needs of an engine."""

    def __init__(self) -> None:
        self.asked: list = []

    def ask(self, pictures, question, *, sampling, max_new_tokens):
        self.asked.append(([picture.shape for picture in pictures], question, sampling, max_new_tokens))
        if len(question) > 100:
            raise InputError("the prompt takes too many tokens")
        return Answer("a cup", 0.5)


def test_a_local_model_is_asked_what_an_endpoint_is_asked():
    model = Model()
    writer = LocalWriter(model, "own")
    picture = Picture("a.png", cv2.imencode(".png", np.zeros((6, 8, 3), np.uint8))[1].tobytes())
    reply = writer.write(Request("What?", (picture,), "Be short.", 0.1, 77, 5))
    shapes, question, sampling, most = model.asked[0]
    assert reply.text == "a cup" and shapes == [(6, 8, 3)] and question == "Be short.\nWhat?"
    assert (sampling.temperature, sampling.seed, most) == (0.1, 5, 77)
    with pytest.raises(Refused, match="too many tokens"):
        writer.write(Request("?" * 101, (picture,)))
    with pytest.raises(Refused, match="cannot be decoded"):
        writer.write(Request("?", (Picture("b.png", b"none"),)))


def test_the_shipped_model_writes_through_the_same_door(cache):
    from vlaser_core.checkpoint.folder import shipped_checkpoint

    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    sent = Picture("a.png", cv2.imencode(".png", picture)[1].tobytes())
    writer = WriterSpec("nano", checkpoint=str(shipped_checkpoint()), concurrency=1).open(cache)
    asked = Request("What objects are there?", (sent,), max_tokens=8)
    assert writer.write(asked).text == writer.write(asked).text != "" and writer.asked == 1
