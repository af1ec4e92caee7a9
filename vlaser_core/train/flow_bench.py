"""How fast stage 2 goes with a frozen backbone: each batch's prefixes computed anew, or computed once and read.

Both ways go through the same loop, loss and optimiser on the same rows; only where a prefix comes from differs. Whoever
computes one decodes the camera's picture first (JPEG, 320 × 240), as it lies in a data set.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch

from vlaser_core.data.robot.episode import decode_picture
from vlaser_core.evaluate.memory import peak_memory
from vlaser_core.model.vlaser import Vlaser
from vlaser_core.processing.pixels import square
from vlaser_core.train.flow_data import ChunkTargets
from vlaser_core.train.flow_loss import FlowLoss, Looked, Prefixes, Stored
from vlaser_core.train.loop import train
from vlaser_core.train.loop_config import LoopConfig
from vlaser_core.train.parts import choose
from vlaser_core.train.prefixes import PrefixStore
from vlaser_core.train.processes import Share, cast
from vlaser_core.train.views import filled

WARM = 2  # updates that are not counted
CAMERA = (320, 240)
TEXT_TOKENS = 24  # of a prompt besides its picture's: system text and a short instruction


@dataclass(frozen=True)
class Way:
    """By the median update. loss: mean over all of them. tflops_per_s: arithmetic of matrices, forward and backward, by their sizes."""

    samples_per_s: float
    updates_per_s: float
    tflops_per_s: float
    loss: float


@dataclass(frozen=True)
class FlowBench:
    """recomputed, stored: the two ways; ratio: of their samples a second. fill_s: seconds it took to compute `samples` prefixes
    once. peak_memory_bytes: of the device's allocator on CUDA, else of the process."""

    model: str
    parameters: int
    trained: int
    device: str
    threads: int
    precision: str
    batch: int
    times_per_prefix: int
    updates: int
    samples: int
    prefix_tokens: int
    prefix_bytes: int
    fill_s: float
    recomputed: Way
    stored: Way
    ratio: float
    peak_memory_bytes: int

    def to_json(self) -> dict:
        return {**asdict(self), "torch": torch.__version__}


def bench(model: Vlaser, *, batch: int = 64, updates: int = 20, times: int = 1, precision: str = "float32", folder: Path | None = None) -> FlowBench:
    """Train a model both ways for some updates, on random pictures and chunks; its expert has moved afterwards."""
    choose(model, "expert")
    cast(model, precision)
    config, device = model.config, model.device
    samples, rng = 4 * batch, np.random.default_rng(0)
    pictures = _Pictures(model, samples, rng)
    targets = ChunkTargets(
        rng.uniform(-1, 1, (samples, config.proprio_dim)), rng.uniform(-1, 1, (samples, config.horizon, config.action_dim))
    )
    tokens = config.views * config.image_tokens + TEXT_TOKENS
    prompts, wording = _Prompt(model, tokens), np.zeros(samples, int)
    start = {name: tensor.clone() for name, tensor in model.state_dict().items() if not name.startswith("backbone.")}
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()

    def way(prefixes: Prefixes, out: Path, flops: float) -> Way:
        model.load_state_dict(start, strict=False)
        began: list[float] = []
        loss = FlowLoss(model, Share(batch), lambda update: np.random.default_rng(update).integers(samples, size=batch), targets, prefixes, times)

        def loss_at(step: int):
            began.append(time.perf_counter())
            return loss(step)

        steps = WARM + updates + 1  # the last one only ends the one before
        train(model, loss_at, LoopConfig(steps, 1e-4, warmup=0, precision=precision, save_every=steps, log_every=steps), out, "bench")
        pace = 1.0 / float(np.median(np.diff(began[WARM:])))
        last = json.loads((out / "bench.jsonl").read_text(encoding="utf-8").splitlines()[-1])["loss"]
        return Way(round(pace * batch, 2), round(pace, 4), round(pace * batch * flops / 1e12, 4), last)

    with TemporaryDirectory(prefix="vlaser-", dir=folder) as scratch:
        looked = Looked(model, prompts, wording, lambda position, rows: pictures(rows), 0.5, 0, frozen=True)
        expert = sum(parameter.numel() for parameter in model.expert_parameters())
        seen = sum(parameter.numel() for parameter in model.backbone.model.language_model.layers.parameters()) * tokens
        eyes = sum(parameter.numel() for parameter in model.backbone.model.vision_tower.parameters()) * 4 * config.image_tokens * config.views
        own = 6.0 * expert * (1 + config.horizon) * times
        recomputed = way(looked, Path(scratch) / "recomputed", own + 2.0 * (seen + eyes))
        began = time.perf_counter()
        store = filled(
            lambda: PrefixStore.open(Path(scratch) / "prefixes", samples, model, tokens, "bench"),
            model,
            prompts,
            wording,
            pictures,
            block=batch,
        )
        fill_s = time.perf_counter() - began
        stored = way(Stored(model, store), Path(scratch) / "stored", own)
        size = 2 * int(np.prod(store.shape[1:]))
    return FlowBench(
        model=config.name,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        trained=expert,
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        threads=torch.get_num_threads(),
        precision=precision,
        batch=batch,
        times_per_prefix=times,
        updates=updates,
        samples=samples,
        prefix_tokens=tokens,
        prefix_bytes=size,
        fill_s=round(fill_s, 2),
        recomputed=recomputed,
        stored=stored,
        ratio=round(stored.samples_per_s / recomputed.samples_per_s, 2),
        peak_memory_bytes=torch.cuda.max_memory_allocated() if device.type == "cuda" else peak_memory(),
    )


class _Pictures:
    """Encoded camera pictures of blurs under a little noise, decoded when they are asked for."""

    def __init__(self, model: Vlaser, samples: int, rng: np.random.Generator) -> None:
        self._config = model.config
        self._encoded = []
        for _ in range(samples * model.config.views):
            blurs = cv2.resize(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8), CAMERA, interpolation=cv2.INTER_CUBIC)
            noisy = np.clip(blurs + rng.normal(0, 6, blurs.shape), 0, 255).astype(np.uint8)
            self._encoded.append(cv2.imencode(".jpg", noisy)[1].tobytes())

    def __call__(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        views, size = self._config.views, self._config.vision.image_size
        places = [row * views + view for row in rows for view in range(views)]
        images = [square(decode_picture(self._encoded[place], f"picture {place}"), size, self._config.resample) for place in places]
        return np.stack(images).reshape(len(rows), views, size, size, 3), np.ones(len(rows), bool)


class _Prompt:
    """One prompt for all: the pictures' tokens and some others; a model of random weights has no words."""

    def __init__(self, model: Vlaser, tokens: int) -> None:
        other = torch.arange(tokens) % 7 + (model.image_token_id + 1 if model.image_token_id < 100 else 0)
        self._ids = torch.where(torch.arange(tokens) < model.config.views * model.config.image_tokens, model.image_token_id, other)

    def __call__(self, wording: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        ids = self._ids.expand(len(wording), -1)
        return ids, torch.ones_like(ids, dtype=torch.bool)
