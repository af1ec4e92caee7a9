from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from vlaser_core.checkpoint.folder import Checkpoint, save_checkpoint
from vlaser_core.data.families import corpus
from vlaser_core.embodiment import load_embodiment
from vlaser_core.model.config import ExpertSize, TextSize, VisionSize, nano
from vlaser_core.model.vlaser import Vlaser
from vlaser_core.processing.normalization import Spread, Statistics
from vlaser_core.processing.tokenizer import IMAGE, train_nano_tokenizer

# Models of a few thousand weights gain nothing from a second thread, and on a busy machine the two wait for each other.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tokenizer():
    return train_nano_tokenizer(corpus(scenes=60), vocab_size=500)


@pytest.fixture(scope="session")
def tiny_config(tokenizer):
    """The nano's shape, thinner: every code path, milliseconds a pass."""
    return dataclasses.replace(
        nano(len(tokenizer)),
        vision=VisionSize(32, 64, layers=2, heads=2, image_size=64, patch_size=16, layer_scale=1.0),
        text=TextSize(32, 64, layers=2, heads=2, kv_heads=1, head_dim=16, vocab_size=len(tokenizer), max_positions=512, tie_embeddings=True),
        expert=ExpertSize(24, 48),
    )


def random_statistics(seed: int = 0) -> Statistics:
    values = np.random.default_rng(seed).normal(0, 0.02, (500, 7))
    values[:, 6] = values[:, 6] > 0
    return Statistics(Spread.of(values), Spread.of(values), 500, 10)


@pytest.fixture
def tiny(tiny_config, tokenizer) -> Checkpoint:
    torch.manual_seed(0)
    model = Vlaser(tiny_config, tokenizer.convert_tokens_to_ids(IMAGE)).eval()
    # Fresh decoders make small numbers; spread the weights so that differences are visible.
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return Checkpoint(model, tokenizer, load_embodiment("widowx"), random_statistics())


@pytest.fixture
def tiny_folder(tiny, tmp_path):
    save_checkpoint(tiny, tmp_path / "tiny")
    return tmp_path / "tiny"


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (48, 64, 3), dtype=np.uint8)
