"""Stage 2, identical for every initialisation: the expert alone on prefixes that are computed once; then, where asked, more of the model."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from training.ablation.settings import Ablation, Trained
from training.ablation.store import Store
from training.nano import prefixes, prompts_of, targets_of, usable
from vlaser_core.checkpoint.folder import Checkpoint, load_checkpoint, save_checkpoint
from vlaser_core.data.scenes import SceneSet, load_scenes
from vlaser_core.model.flow import noise_of
from vlaser_core.model.vlaser import Prefix, Vlaser
from vlaser_core.train.flow_loss import FlowLoss, Looked, Stored
from vlaser_core.train.loop import LoopConfig, train
from vlaser_core.train.parts import choose
from vlaser_core.train.prefixes import PrefixStore
from vlaser_core.train.processes import Share
from vlaser_core.train.views import look

PROPRIO_NOISE = 0.01  # as the nano recipe
FLOW_TIMES = 4  # a sample where the picture is read for every update


def train_policies(settings: Ablation, store: Store, initialisation: str) -> dict:
    """One policy for each seed on a frozen backbone. The seed decides the expert's first weights, its batches and its noise."""
    checkpoint = load_checkpoint(store.backbone(initialisation) / "checkpoint")
    training, held_out = _scenes(settings, store)
    targets = targets_of(checkpoint, training)
    # Read once by each seed, worthless afterwards and large: they do not stay.
    with tempfile.TemporaryDirectory(dir=_made(store.root / "scratch")) as folder:
        known = prefixes(checkpoint, training, Path(folder) / "training")
        judged = _Judge(checkpoint, held_out, prefixes(checkpoint, held_out, Path(folder) / "held_out"))
        curves = {}
        for seed in settings.seeds:
            model = _fresh_expert(checkpoint, seed)
            choose(model, "expert")
            rows_of = _rows(len(training), settings.flow_batch, seed)
            loss = FlowLoss(model, Share(settings.flow_batch), rows_of, targets, Stored(model, known), jitter=PROPRIO_NOISE, seed=seed)
            out = store.policy(initialisation, seed)
            curves[str(seed)] = _train(settings, checkpoint, model, loss, settings.flow, judged, out)
    return {"curves": curves, "scenes": len(training), "samples": settings.flow.steps * settings.flow_batch}


def train_joint(settings: Ablation, store: Store, initialisation: str, seed: int, trained: Trained) -> dict:
    """A finished policy trained on, more than its expert where asked: each update reads its pictures anew."""
    checkpoint = load_checkpoint(store.policy(initialisation, seed) / "checkpoint")
    training, held_out = _scenes(settings, store)
    model = checkpoint.model
    choose(model, trained)
    prompts, wording = prompts_of(checkpoint, training)
    pictures = lambda position, rows: (training.images[rows][:, None], np.ones(len(rows), bool))  # noqa: E731
    loss = FlowLoss(
        model,
        Share(settings.joint_batch),
        _rows(len(training), settings.joint_batch, seed),
        targets_of(checkpoint, training),
        Looked(model, prompts, wording, pictures, strength=0.5, seed=seed, frozen=trained == "expert"),
        times_per_prefix=FLOW_TIMES,
        jitter=PROPRIO_NOISE,
        seed=seed,
    )
    out = store.policy(initialisation, seed, trained)
    curve = _train(settings, checkpoint, model, loss, settings.joint, _Judge(checkpoint, held_out, None), out)
    return {"curves": {str(seed): curve}, "samples": settings.joint.steps * settings.joint_batch, "flow_times": FLOW_TIMES}


class _Judge:
    """The error of whole chunks on held-out scenes: (mean normalised squared error, median horizontal error in mm)."""

    def __init__(self, checkpoint: Checkpoint, scenes: SceneSet, known: PrefixStore | None) -> None:
        self.checkpoint, self.scenes, self.known = checkpoint, scenes, known
        self.targets = targets_of(checkpoint, scenes)
        self.prompts, self.wording = prompts_of(checkpoint, scenes)
        self.grip = checkpoint.embodiment.action.gripper_dims

    def __call__(self, model: Vlaser, batch: int = 128) -> dict[str, float]:
        errors, ways = [], []
        for first in range(0, len(self.scenes), batch):
            rows = np.arange(first, min(first + batch, len(self.scenes)))
            noise, target = noise_of(rows.tolist(), model.config.horizon, model.config.action_dim), self.targets(rows)
            said = model.sample(self._prefix(model, rows), target.proprio, noise)
            errors.append((said - target.actions).square().mean((1, 2)).numpy())
            actions = self.checkpoint.statistics.denormalise_actions(said.double().numpy(), self.grip)
            ways.append(np.linalg.norm(actions[..., :2].sum(1) - self.scenes.chunks[rows][..., :2].sum(1), axis=1) * 1000)
        return {"chunk_error": float(np.concatenate(errors).mean()), "xy_mm": float(np.median(np.concatenate(ways)))}

    @torch.inference_mode()
    def _prefix(self, model: Vlaser, rows: np.ndarray) -> Prefix:
        if self.known is not None:
            return self.known.read(rows)
        return look(model, self.prompts, self.wording[rows], self.scenes.images[rows][:, None])


def _train(
    settings: Ablation, checkpoint: Checkpoint, model: Vlaser, loss_at, loop: LoopConfig, judged: _Judge, out: Path
) -> list[dict[str, float]]:
    train(model, loss_at, loop, out, "stage2", lambda: judged(model), settings.judging.curve_every)
    save_checkpoint(dataclasses.replace(checkpoint, model=model), out / "checkpoint")
    (out / "stage2.state.pt").unlink(missing_ok=True)
    entries = [json.loads(line) for line in (out / "stage2.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{key: entry[key] for key in ("step", "loss", "chunk_error", "xy_mm")} for entry in entries if "chunk_error" in entry]


def _scenes(settings: Ablation, store: Store) -> tuple[SceneSet, SceneSet]:
    """Training scenes and held-out ones, the same for every policy."""
    scenes = usable(load_scenes(store.scenes))
    chosen = np.zeros(len(scenes), bool)
    chosen[np.linspace(0, len(scenes) - 1, min(settings.judging.curve_scenes, len(scenes) // 4)).astype(int)] = True
    return scenes.where(~chosen), scenes.where(chosen)


def _rows(count: int, batch: int, seed: int) -> Callable[[int], np.ndarray]:
    """Rows of an update's batch, as a function of its number."""
    return lambda step: np.random.default_rng((seed, step)).integers(count, size=batch)


def _fresh_expert(checkpoint: Checkpoint, seed: int) -> Vlaser:
    """The checkpoint's backbone with an expert of this seed."""
    torch.manual_seed(seed)
    model = Vlaser(checkpoint.model.config, checkpoint.model.image_token_id)
    model.backbone.load_state_dict(checkpoint.model.backbone.state_dict())
    return model


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
