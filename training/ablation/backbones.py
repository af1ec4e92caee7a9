"""Stage 1: the base from nothing but its eyes, and what each initialisation learns on top of it, by the same number of updates."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from training.ablation.eyes import train_eyes
from training.ablation.settings import Ablation, Reasoning
from training.ablation.store import Store
from training.ablation.texts import Texts
from training.nano import statistics_of
from vlaser_core.checkpoint.folder import Checkpoint, load_checkpoint, save_checkpoint
from vlaser_core.data.families import corpus
from vlaser_core.data.scenes import load_scenes
from vlaser_core.embodiment import load_embodiment
from vlaser_core.model.config import nano
from vlaser_core.model.vlaser import Vlaser
from vlaser_core.processing.augment import photometric
from vlaser_core.processing.tokenizer import IMAGE, train_nano_tokenizer
from vlaser_core.train.language import LanguageLoss, Sequence_, SequenceEncoder, loss_by_length
from vlaser_core.train.loop import LoopConfig, Weighted, train

BASE = "base"


def train_sight(settings: Ablation, store: Store, sets: dict[str, Path]) -> dict:
    """Keep a checkpoint that has learned to see other rooms and nothing else; returns how well it sees them."""
    torch.manual_seed(0)
    checkpoint = _untrained(store)
    found = train_eyes(settings, checkpoint.model, _texts(sets, Reasoning("elsewhere"), checkpoint), settings.eyes, store.eyes)
    save_checkpoint(checkpoint, store.eyes / "checkpoint")
    return found


def train_backbone(settings: Ablation, store: Store, name: str, sets: dict[str, Path]) -> dict:
    """Train one initialisation and keep it as a checkpoint whose expert has learned nothing."""
    torch.manual_seed(0)
    if name == BASE:
        what, loop, begin = Reasoning("elsewhere", settings.base_categories), settings.base, store.eyes
    else:
        what, loop, begin = settings.initialisations[name], settings.tune, store.backbone(BASE)
    checkpoint = load_checkpoint(begin / "checkpoint")
    texts = _texts(sets, what, checkpoint)
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


def _texts(sets: dict[str, Path], what: Reasoning, checkpoint: Checkpoint) -> Texts:
    config = checkpoint.model.config
    return Texts(sets[what.data], what.categories, what.share, config.vision.image_size, config.resample)


def _learn(checkpoint: Checkpoint, texts: Texts, loop: LoopConfig, settings: Ablation, out: Path) -> float:
    model = checkpoint.model
    for parameter in model.expert_parameters():
        parameter.requires_grad_(False)
    encoder, loss = SequenceEncoder(checkpoint.tokenizer, model.config), LanguageLoss(checkpoint.tokenizer, settings.number_width)

    def loss_at(step: int) -> Weighted:
        rng = np.random.default_rng((0, step))
        shown: list[int] = []
        asked: list[Sequence_] = []
        while len(shown) < settings.text_batch:
            picture = int(rng.integers(len(texts)))
            # Of a few categories there may be nothing exact to ask about a picture this time.
            if turns := texts.conversation(picture, settings.turns, rng):
                shown.append(picture)
                asked.append(encoder.conversation([(turn.question, turn.answer) for turn in turns]))
        return loss_by_length(model, loss, encoder, asked, photometric(texts.pictures[shown], rng))

    train(model, loss_at, loop, out, "stage1")
    return round(json.loads((out / "stage1.jsonl").read_text(encoding="utf-8").splitlines()[-1])["loss"], 4)
