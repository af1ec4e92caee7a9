"""Tiny checkpoints in every published layout, written by hand from their description."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from vlaser_core.data.families import corpus
from vlaser_core.processing.normalization import Spread, Statistics
from vlaser_core.processing.tokenizer import train_nano_tokenizer

VOCABULARY, WIDTH, VISION = 2048, 24, 16
State = dict[str, torch.Tensor]


def layers(prefix: str, width: int, mlp: int, heads: int, kv: int, head: int, generator: torch.Generator) -> State:
    shapes = {
        "self_attn.q_proj.weight": (heads * head, width), "self_attn.q_proj.bias": (heads * head,),
        "self_attn.k_proj.weight": (kv * head, width), "self_attn.k_proj.bias": (kv * head,),
        "self_attn.v_proj.weight": (kv * head, width), "self_attn.v_proj.bias": (kv * head,),
        "self_attn.o_proj.weight": (width, heads * head),
        "mlp.gate_proj.weight": (mlp, width), "mlp.up_proj.weight": (mlp, width), "mlp.down_proj.weight": (width, mlp),
        "input_layernorm.weight": (width,), "post_attention_layernorm.weight": (width,),
    }  # fmt: skip
    state = {f"{prefix}layers.{i}.{name}": torch.randn(shape, generator=generator) for i in range(2) for name, shape in shapes.items()}
    return state | {f"{prefix}norm.weight": torch.randn(width, generator=generator)}


def vision(prefix: str, projector: str, generator: torch.Generator) -> State:
    shapes = {
        f"{prefix}embeddings.class_embedding": (1, 1, VISION), f"{prefix}embeddings.position_embedding": (1, 17, VISION),
        f"{prefix}embeddings.patch_embedding.weight": (VISION, 3, 14, 14), f"{prefix}embeddings.patch_embedding.bias": (VISION,),
        f"{projector}0.weight": (4 * VISION,), f"{projector}0.bias": (4 * VISION,),
        f"{projector}1.weight": (WIDTH, 4 * VISION), f"{projector}1.bias": (WIDTH,),
        f"{projector}3.weight": (WIDTH, WIDTH), f"{projector}3.bias": (WIDTH,),
    }  # fmt: skip
    inner = {
        "ls1": (VISION,), "ls2": (VISION,), "attn.qkv.weight": (3 * VISION, VISION), "attn.qkv.bias": (3 * VISION,),
        "attn.proj.weight": (VISION, VISION), "attn.proj.bias": (VISION,), "mlp.fc1.weight": (32, VISION), "mlp.fc1.bias": (32,),
        "mlp.fc2.weight": (VISION, 32), "mlp.fc2.bias": (VISION,), "norm1.weight": (VISION,), "norm1.bias": (VISION,),
        "norm2.weight": (VISION,), "norm2.bias": (VISION,),
    }  # fmt: skip
    shapes |= {f"{prefix}encoder.layers.{i}.{name}": shape for i in range(3) for name, shape in inner.items()}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


@pytest.fixture
def upstream() -> State:
    generator = torch.Generator().manual_seed(0)
    state = vision("vision_tower.vision_model.", "multi_modal_projector.", generator)
    state |= layers("joint_model.mixtures.vlm.", WIDTH, 40, 2, 1, 128, generator)
    expert = layers("joint_model.mixtures.proprio.", 16, 20, 2, 1, 128, generator)
    state |= expert | {name.replace("proprio", "action"): tensor for name, tensor in expert.items()}
    shapes = {
        "embed_tokens.weight": (VOCABULARY, WIDTH), "internvl_model.language_model.lm_head.weight": (VOCABULARY, WIDTH),
        "internvl_model.action_expert.lm_head.weight": (VOCABULARY, 16),
        "action_encoder.linear_1.weight": (16, 7), "action_encoder.linear_1.bias": (16,), "action_encoder.linear_2.weight": (16, 32),
        "action_encoder.linear_2.bias": (16,), "action_encoder.linear_3.weight": (16, 16), "action_encoder.linear_3.bias": (16,),
        "proprio_encoder.weight": (16, 7), "proprio_encoder.bias": (16,), "action_decoder.weight": (7, 16), "action_decoder.bias": (7,),
    }  # fmt: skip
    return state | {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    train_nano_tokenizer(corpus(scenes=20), 512).save_pretrained(str(folder))
    return folder


@pytest.fixture
def statistics() -> Statistics:
    def spread() -> Spread:
        return Spread(*(torch.full((7,), value).double().numpy() for value in (0.5, 0.2, 1.0, 0.0, 1.0, 0.0)))

    return Statistics(spread(), spread(), 10, 2)


CHAT_CONFIG = {
    "model_type": "internvl_chat", "downsample_ratio": 0.5, "select_layer": -1, "ps_version": "v2", "force_image_size": 56,
    "vision_config": {
        "hidden_size": VISION, "intermediate_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 56, "patch_size": 14,
    },
    "llm_config": {
        "hidden_size": WIDTH, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 3, "num_key_value_heads": 1,
        "vocab_size": VOCABULARY, "max_position_embeddings": 512, "rope_theta": 1e6, "rms_norm_eps": 1e-6,
    },
}  # fmt: skip


@pytest.fixture
def chat_state() -> State:
    generator = torch.Generator().manual_seed(1)
    state = vision("vision_model.", "mlp1.", generator) | layers("language_model.model.", WIDTH, 40, 3, 1, 8, generator)
    for name in ("language_model.model.embed_tokens.weight", "language_model.lm_head.weight"):
        state[name] = torch.randn(VOCABULARY, WIDTH, generator=generator)
    return {name: tensor.bfloat16() for name, tensor in state.items()}


@pytest.fixture
def chat_config() -> dict:
    return json.loads(json.dumps(CHAT_CONFIG))


@pytest.fixture
def chat_folder(chat_state, tokenizer_folder, tmp_path):
    """Two shards with their index, sizes and tokenizer, as published."""
    folder = tmp_path / "Vlaser-tiny"
    folder.mkdir()
    names, weight_map = sorted(chat_state), {}
    for part in (0, 1):
        file = f"model-0000{part + 1}-of-00002.safetensors"
        save_file({name: chat_state[name] for name in names[part::2]}, folder / file)
        weight_map |= dict.fromkeys(names[part::2], file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}), encoding="utf-8")
    for file in tokenizer_folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "config.json").write_text(json.dumps(CHAT_CONFIG), encoding="utf-8")
    return folder
