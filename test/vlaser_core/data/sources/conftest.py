"""What tests of sources share: pictures, and reading a whole source."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from vlaser_core.data.source import Damage


def picture_bytes(width=40, height=30, colour=(200, 30, 40), kind="JPEG"):
    buffer = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), colour, np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def write_picture(path, **changes):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture_bytes(**changes))
    return path


def write_json(path, content, lines=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(item) + "\n" for item in content) if lines else json.dumps(content))
    return path


def read_all(source, seed=0):
    """Samples of every unit and the damage; ids are unique within a unit and every picture has its record's name."""
    damage, samples = Damage(), []
    for unit in source.units():
        part = list(source.read(unit, damage, seed))
        ids = [sample.record.id for sample in part]
        assert len(set(ids)) == len(ids), "ids are unique within a unit"
        samples += part
    for sample in samples:
        assert tuple(picture.name for picture in sample.pictures) == sample.record.images
        assert sample.record.source == source.name and sample.record.licence == source.licence
    return samples, damage


def talk(question, answer):
    return [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]


def answers(samples):
    return [sample.record.conversations[-1].value for sample in samples]


@pytest.fixture
def kit():
    """The functions above, for tests to call."""
    return SimpleNamespace(picture=picture_bytes, write_picture=write_picture, write_json=write_json, read_all=read_all, talk=talk, answers=answers)
