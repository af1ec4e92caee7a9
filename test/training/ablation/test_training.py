"""Both stages of the experiment for real, at a size of seconds: what is frozen stays, what is shared is shared."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from sim_bridge import simulated
from sim_bridge.sources import open_source, settings_of
from sim_bridge.tabletop.record import record_scenes
from training.ablation import backbones
from training.ablation.eyes import FINE, cells_of
from training.ablation.policies import train_joint, train_policies
from training.ablation.settings import Ablation
from training.ablation.store import Store
from training.ablation.texts import Texts
from vlaser_core.checkpoint.folder import load_checkpoint
from vlaser_core.data.engine import Part, build
from vlaser_core.data.families import corpus
from vlaser_core.data.families.conversation import CATEGORY
from vlaser_core.data.shards import RecordSet
from vlaser_core.data.truth import SceneTruth
from vlaser_core.errors import InputError
from vlaser_core.processing.pixels import square
from vlaser_core.train.recipe import read_recipe

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """A set of questions and scenes, a base and one initialisation on it, and two seeds of policies."""
    torch.set_num_threads(1)
    store = Store(tmp_path_factory.mktemp("ablation"))
    settings = dataclasses.replace(read_recipe(Ablation, "ablation_smoke"), seeds=(0, 1))
    source = open_source("tabletop", Path(), 48, 7, "rays")
    build([Part(source, 48, settings_of(source), shuffled=False)], store.root / "set", 7, workers=0)
    record_scenes(store.scenes, "all", 4, 1_000_000, "rays", workers=1)
    sets = {"elsewhere": store.root / "set", "tabletop": store.root / "set"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backbones, "corpus", lambda: corpus(20))
        sight = backbones.train_sight(settings, store, sets)
        stage1 = {name: backbones.train_backbone(settings, store, name, sets) for name in ("base", "all")}
    return settings, store, stage1, train_policies(settings, store, "all")


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(path / "checkpoint").model.state_dict()


def changed(one: dict, other: dict) -> set[str]:
    return {name for name in one if not torch.equal(one[name], other[name])}


def test_an_initialisation_goes_on_from_the_base(experiment):
    _, store, stage1, _ = experiment
    assert stage1["all"]["pictures"] > 0 and stage1["all"]["loss"] > 0
    moved = changed(weights(store.backbone("base")), weights(store.backbone("all")))
    assert moved and all(name.startswith("backbone.") for name in moved)


def test_stage_two_leaves_the_backbone_alone_and_seeds_differ(experiment):
    _, store, _, result = experiment
    start, first, second = weights(store.backbone("all")), weights(store.policy("all", 0)), weights(store.policy("all", 1))
    assert all(torch.equal(start[name], first[name]) for name in start if name.startswith("backbone."))
    assert changed(first, second) and not {name for name in changed(first, second) if name.startswith("backbone.")}
    assert [entry["step"] for entry in result["curves"]["0"]] == [2, 4] and result["curves"]["1"][0]["xy_mm"] > 0


@pytest.mark.parametrize(("trained", "moving"), [("expert", set()), ("expert+vision", {"vision_tower", "multi_modal_projector"}), ("all", {"vision_tower", "multi_modal_projector", "language_model"})])
def test_the_switch_says_what_of_the_backbone_moves(experiment, trained, moving):
    settings, store, _, _ = experiment
    train_joint(settings, store, "all", 0, trained)
    moved = changed(weights(store.policy("all", 0)), weights(store.policy("all", 0, trained)))
    assert any(not name.startswith("backbone.") for name in moved)
    parts = {name.split(".")[2] for name in moved if name.startswith("backbone.model.")}
    assert parts == moving


def test_a_larger_share_of_a_set_holds_the_smaller_one(experiment):
    _, store, _, _ = experiment
    whole, part = (Texts(store.root / "set", (), share, 32, "area") for share in (1.0, 0.5))
    assert 0 < len(part) == len(part.pictures) < len(whole) == len(whole.pictures)
    assert part.truths == whole.truths[: len(part)] and (part.pictures == whole.pictures[: len(part)]).all()


def test_pictures_of_one_name_in_several_units_are_kept_apart(tmp_path, monkeypatch):
    """The tabletop has units of four kinds, and each counts its pictures from 0."""
    monkeypatch.setattr(simulated, "PICTURES_A_UNIT", 2)
    source = open_source("tabletop", Path(), 64, 7, "rays")
    build([Part(source, 64, settings_of(source), shuffled=False)], tmp_path / "set", 7, workers=0)
    texts, records = Texts(tmp_path / "set", (), 1.0, 32, "area"), RecordSet(tmp_path / "set").where(split="train")
    names = {name for record in records for name in record.images}
    assert len(texts) == len({(records.unit(number).key, record.images) for number, record in enumerate(records)}) > len(names)
    truths = {(truth.task, truth.pixels.data) for truth in texts.truths}
    assert len(truths) == len(texts)
    for number, truth in enumerate(texts.truths):
        same = next(row for row in range(len(records)) if records.truth(row) == truth)
        assert (texts.pictures[number] == square(records.pictures(same)[0], 32, "area")).all()


def test_a_picture_is_asked_something_else_each_time(experiment):
    _, store, _, _ = experiment
    texts, rng = Texts(store.root / "set", (), 1.0, 32, "area"), np.random.default_rng(0)
    for picture in range(len(texts)):
        drawn = [texts.conversation(picture, 2, rng) for _ in range(8)]
        assert all(len({CATEGORY[turn.family] for turn in turns}) == 2 for turns in drawn)
        assert len({turns[0].question for turns in drawn}) > 2


def test_only_the_categories_that_are_asked_for(experiment):
    _, store, _, _ = experiment
    texts, rng = Texts(store.root / "set", ("grounding",), 1.0, 32, "area"), np.random.default_rng(0)
    asked = [turn for picture in range(len(texts)) for turn in texts.conversation(picture, 3, rng)]
    assert len(asked) > 2 * len(texts) and {CATEGORY[turn.family] for turn in asked} == {"grounding"}
    with pytest.raises(InputError, match="no training record of simulation"):
        Texts(store.root / "set", ("simulation",), 1.0, 32, "area")


def test_eyes_learn_before_words_and_the_base_goes_on_from_them(experiment):
    settings, store, _, _ = experiment
    torch.manual_seed(0)
    nothing, seeing, base = backbones._untrained(store).model.state_dict(), weights(store.eyes), weights(store.backbone("base"))
    parts = {name.split(".")[2] for name in changed(nothing, seeing)}
    assert parts == {"vision_tower", "multi_modal_projector"}
    step = max((base[name] - seeing[name]).abs().max() for name in seeing)
    assert 0 < step < 0.1  # two updates from there, not a beginning of its own


def test_cells_say_what_lies_where(experiment):
    _, store, _, _ = experiment
    texts = Texts(store.root / "set", (), 1.0, 32, "area")
    cells = cells_of(texts.truths, 16)
    assert cells.values.shape == (len(texts), 16, FINE * FINE, 2)
    for truth, values in zip(texts.truths, cells.values, strict=True):
        across = values.reshape(4, 4, FINE, FINE, 2).transpose(0, 2, 1, 3, 4).reshape(4 * FINE, 4 * FINE, 2)
        for row, column in np.argwhere(across[..., 0]):
            x, y = ((number + 0.5) / (4 * FINE) * 1000 for number in (column, row))
            kind, colour = cells.kinds[across[row, column, 0] - 1], cells.colours[across[row, column, 1] - 1]
            # A box is the picture's, the map a smaller drawing's: a cell's centre may be a pixel outside.
            there = [thing for thing in truth.objects if thing.box and thing.box[0] - 10 <= x <= thing.box[2] + 10 and thing.box[1] - 10 <= y <= thing.box[3] + 10]
            assert any((thing.kind or thing.name, thing.colour) == (kind, colour) for thing in there)
    assert 0.01 < (cells.values[..., 0] > 0).mean() < 0.5


def test_a_picture_without_a_map_cannot_teach_eyes():
    with pytest.raises(InputError, match="no map of its pixels"):
        cells_of([SceneTruth()], 16)
