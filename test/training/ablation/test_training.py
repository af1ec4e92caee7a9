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
from training.ablation.policies import train_joint, train_policies
from training.ablation.settings import Ablation
from training.ablation.store import Store
from training.ablation.texts import Texts
from vlaser_core.checkpoint.folder import load_checkpoint
from vlaser_core.data.engine import Part, build
from vlaser_core.data.families import corpus, task_answer
from vlaser_core.data.families.conversation import CATEGORY
from vlaser_core.data.families.records import FAMILIES_OF
from vlaser_core.data.shards import RecordSet
from vlaser_core.errors import InputError
from vlaser_core.processing.pixels import square
from vlaser_core.train.language import SequenceEncoder
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


def test_what_is_said_of_the_task_is_the_categories_own(experiment):
    _, store, _, _ = experiment
    every, one = (Texts(store.root / "set", categories, 1.0, 32, "area") for categories in ((), ("spatial",)))
    for picture in range(len(every)):
        parts = [task_answer(every.truths[picture], [category]) for category in FAMILIES_OF]
        assert every.task(picture) == " ".join(part for part in parts if part) and parts[0].startswith("grasp ")
    assert all(one.task(picture).count(" to ") in (1, 2) and "grasp" not in one.task(picture) for picture in range(len(one)))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_stage_one_answers_both_kinds_of_prompts(experiment, monkeypatch, share):
    settings, store, _, _ = experiment
    asked = {"policy": 0, "conversation": 0}
    for kind in asked:
        plain = getattr(SequenceEncoder, kind)

        def counted(self, *arguments, kind=kind, plain=plain):
            asked[kind] += 1
            return plain(self, *arguments)

        monkeypatch.setattr(SequenceEncoder, kind, counted)
    settings = dataclasses.replace(settings, task_share=share, initialisations=settings.initialisations | {f"again{share:.0f}": settings.initialisations["all"]})
    backbones.train_backbone(settings, store, f"again{share:.0f}", {"elsewhere": store.root / "set", "tabletop": store.root / "set"})
    count = settings.tune.steps * settings.text_batch
    assert asked == ({"policy": count, "conversation": 0} if share else {"policy": 0, "conversation": count})


def test_a_set_without_a_task_to_speak_of_ends_the_job_instead_of_searching_for_ever(experiment, monkeypatch):
    settings, store, _, _ = experiment
    monkeypatch.setattr(Texts, "task", lambda self, picture: "")
    settings = dataclasses.replace(settings, initialisations=settings.initialisations | {"mute": settings.initialisations["all"]})
    with pytest.raises(InputError, match="no picture shows a task"):
        backbones.train_backbone(settings, store, "mute", {"elsewhere": store.root / "set", "tabletop": store.root / "set"})
