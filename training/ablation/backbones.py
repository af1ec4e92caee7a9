"""Stage 1: the base from nothing, and what each initialisation learns on top of it. The number of updates is the same for all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from training.ablation.settings import Ablation, Reasoning
from training.ablation.store import Store
from training.ablation.texts import Texts
from training.nano import statistics_of
from vlaser_core.checkpoint.folder import Checkpoint, load_checkpoint, save_checkpoint
from vlaser_core.data.families import corpus
from vlaser_core.data.scenes import load_scenes
from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import InputError
from vlaser_core.model.config import nano
from vlaser_core.model.vlaser import Vlaser
from vlaser_core.processing.augment import photometric
from vlaser_core.processing.tokenizer import IMAGE, train_nano_tokenizer
from vlaser_core.train.language import LanguageLoss, Sequence_, SequenceEncoder, loss_by_length
from vlaser_core.train.loop import LoopConfig, Weighted, train

BASE = "base"


def train_backbone(settings: Ablation, store: Store, name: str, sets: dict[str, Path]) -> dict:
    """Train one initialisation and keep it as a checkpoint whose expert has learned nothing."""
    torch.manual_seed(0)
    if name == BASE:
        what, loop, checkpoint = Reasoning("elsewhere", settings.base_categories), settings.base, _untrained(store)
    else:
        what, loop, checkpoint = settings.initialisations[name], settings.tune, load_checkpoint(store.backbone(BASE) / "checkpoint")
    config = checkpoint.model.config
    texts = Texts(sets[what.data], what.categories, what.share, config.vision.image_size, config.resample)
    final = _learn(checkpoint, texts, loop, settings, store.backbone(name))
    save_checkpoint(checkpoint, store.backbone(name) / "checkpoint")
    return {"pictures": len(texts), "updates": loop.steps, "conversations": loop.steps * settings.text_batch, "loss": final}


def _untrained(store: Store) -> Checkpoint:
    """A nano that has learned nothing; statistics are those of the scenes, the same for every policy."""
    tokenizer = train_nano_tokenizer(corpus())
    # Questions are read as stage 2 reads the instruction: both ways. A frozen backbone then meets nothing new there.
    model = Vlaser(replace(nano(len(tokenizer)), attention="prefix"), tokenizer.convert_tokens_to_ids(IMAGE))
    torch.nn.init.trunc_normal_(model.backbone.model.vision_tower.embeddings.position_embeddings, std=0.02)
    return Checkpoint(model, tokenizer, load_embodiment("widowx"), statistics_of(load_scenes(store.scenes)))


def _learn(checkpoint: Checkpoint, texts: Texts, loop: LoopConfig, settings: Ablation, out: Path) -> float:
    model = checkpoint.model
    for parameter in model.expert_parameters():
        parameter.requires_grad_(False)
    if settings.task_share and not any(map(texts.task, range(len(texts)))):
        raise InputError(f"no picture shows a task of which {', '.join(texts.categories)} could say anything; set task_share to 0, or give another set")
    encoder, loss = SequenceEncoder(checkpoint.tokenizer, model.config), LanguageLoss(checkpoint.tokenizer, settings.number_width)

    def loss_at(step: int) -> Weighted:
        rng = np.random.default_rng((0, step))
        as_policy = rng.random() < settings.task_share
        shown: list[int] = []
        asked: list[Sequence_] = []
        while len(shown) < settings.text_batch:
            picture = int(rng.integers(len(texts)))
            # A picture may show no task, and of a few categories there may be nothing exact to ask about it this time.
            if as_policy and (said := texts.task(picture)):
                shown.append(picture)
                asked.append(encoder.policy(texts.truths[picture].instruction, said))
            elif not as_policy and (turns := texts.conversation(picture, settings.turns, rng)):
                shown.append(picture)
                asked.append(encoder.conversation([(turn.question, turn.answer) for turn in turns]))
        return loss_by_length(model, loss, encoder, asked, photometric(texts.pictures[shown], rng))

    train(model, loss_at, loop, out, "stage1")
    return round(json.loads((out / "stage1.jsonl").read_text(encoding="utf-8").splitlines()[-1])["loss"], 4)
