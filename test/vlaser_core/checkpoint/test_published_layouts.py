"""Both published layouts, written by hand from their description, must load; anything else must be refused by name."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from vlaser_core.checkpoint.folder import load_checkpoint, save_checkpoint
from vlaser_core.checkpoint.internvl_chat import load_internvl_chat, policy_from_chat, sizes
from vlaser_core.checkpoint.upstream import canonical, import_upstream, infer_config, model_from_upstream, read_upstream
from vlaser_core.data.families import corpus
from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import CheckpointError
from vlaser_core.model.config import ExpertSize
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


@pytest.fixture(scope="module")
def tokenizer_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    train_nano_tokenizer(corpus(scenes=20), 512).save_pretrained(str(folder))
    return folder


def statistics() -> Statistics:
    def spread() -> Spread:
        return Spread(*(torch.full((7,), value).double().numpy() for value in (0.5, 0.2, 1.0, 0.0, 1.0, 0.0)))

    return Statistics(spread(), spread(), 10, 2)


def test_sizes_are_read_from_shapes(upstream):
    config = infer_config(canonical(upstream), vision_heads=2, time_max_period=100.0)
    assert (config.vision.image_size, config.vision.layers, config.vision.heads, config.image_tokens) == (56, 3, 2, 4)
    assert (config.text.heads, config.text.kv_heads, config.text.layers, config.text.intermediate_size) == (2, 1, 2, 40)
    assert (config.expert.hidden_size, config.expert.intermediate_size, config.proprio_dim, config.action_dim) == (16, 20, 7, 7)
    assert config.text.vocab_size == VOCABULARY and config.time_max_period == 100.0


def test_fused_attention_is_split_in_the_order_query_key_value(upstream):
    model = model_from_upstream(upstream, 5, vision_heads=2)
    attention = model.backbone.model.vision_tower.encoder.layer[1].attention
    fused = upstream["vision_tower.vision_model.encoder.layers.1.attn.qkv.weight"]
    for part, projection in enumerate((attention.q_proj, attention.k_proj, attention.v_proj)):
        torch.testing.assert_close(projection.weight, fused[part * VISION : (part + 1) * VISION], rtol=0, atol=0)
    torch.testing.assert_close(model.backbone.lm_head.weight, upstream["internvl_model.language_model.lm_head.weight"], rtol=0, atol=0)


def test_a_compiled_half_precision_file_becomes_a_checkpoint_that_loads(upstream, tokenizer_folder, tmp_path):
    state = {f"_orig_mod.{name}": tensor.bfloat16() for name, tensor in upstream.items()}
    torch.save({"cnt_update": 3, "model": state, "action_optimizer": {"state": {}}}, tmp_path / "step.pt")
    checkpoint = import_upstream(tmp_path / "step.pt", tokenizer_folder, load_embodiment("widowx"), statistics(), vision_heads=2)
    save_checkpoint(checkpoint, tmp_path / "ours")
    again = load_checkpoint(tmp_path / "ours")
    assert again.model.config == checkpoint.model.config
    for name, tensor in again.model.state_dict().items():
        torch.testing.assert_close(tensor, checkpoint.model.state_dict()[name], rtol=0, atol=0)
    torch.testing.assert_close(again.model.action_decoder.bias, upstream["action_decoder.bias"].bfloat16().float(), rtol=0, atol=0)


def test_a_state_token_with_weights_of_its_own_is_refused(upstream):
    upstream["joint_model.mixtures.proprio.norm.weight"] = upstream["joint_model.mixtures.proprio.norm.weight"] + 1
    with pytest.raises(CheckpointError, match="mixtures.proprio.norm.weight differs"):
        model_from_upstream(upstream, 5, vision_heads=2)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("action_decoder.weight", None, "lacks action_decoder.weight"),
        ("internvl_model.language_model.lm_head.weight", None, "lm_head"),
        ("joint_model.mixtures.vlm.layers.1.mlp.up_proj.weight", None, r"layers\.1\.mlp\.up_proj"),
        ("joint_model.mixtures.vlm.layers.1.mlp.up_proj.weight", torch.zeros(3, 3), r"shape \(3, 3\)"),
        ("vision_tower.vision_model.encoder.layers.0.attn.q_norm.weight", torch.zeros(3), "no part of the model"),
        ("extra_head.weight", torch.zeros(3), "no part of the model"),
        ("vision_tower.vision_model.embeddings.position_embedding", torch.zeros(1, 16, VISION), "no square"),
    ],
)
def test_a_file_of_another_model_is_refused_by_name(upstream, name, value, message):
    upstream.pop(name, None)
    if value is not None:
        upstream[name] = value
    with pytest.raises(CheckpointError, match=message):
        model_from_upstream(upstream, 5, vision_heads=2)


def test_damaged_files_and_files_with_code_are_refused(tmp_path):
    torch.save({"model": {"a": torch.zeros(2)}, "hook": print}, tmp_path / "code.pt")
    (tmp_path / "short.pt").write_bytes(b"PK\x03\x04 cut off")
    (tmp_path / "short.safetensors").write_bytes(b"\xff" * 20)
    torch.save([1, 2], tmp_path / "list.pt")
    for name in ("code.pt", "short.pt", "short.safetensors", "list.pt", "absent.pt"):
        with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
            read_upstream(tmp_path / name)


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
def chat_folder(tokenizer_folder, tmp_path):
    generator = torch.Generator().manual_seed(1)
    state = vision("vision_model.", "mlp1.", generator) | layers("language_model.model.", WIDTH, 40, 3, 1, 8, generator)
    for name in ("language_model.model.embed_tokens.weight", "language_model.lm_head.weight"):
        state[name] = torch.randn(VOCABULARY, WIDTH, generator=generator)
    names = sorted(state)
    for part in (0, 1):
        save_file({name: state[name] for name in names[part::2]}, tmp_path / f"model-0000{part + 1}-of-00002.safetensors")
    for file in tokenizer_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "config.json").write_text(json.dumps(CHAT_CONFIG), encoding="utf-8")
    return tmp_path


def test_a_sharded_chat_folder_loads_and_starts_a_policy(chat_folder):
    backbone = load_internvl_chat(chat_folder)
    policy = policy_from_chat(chat_folder, ExpertSize(16, 20), horizon=4, action_dim=7, proprio_dim=7)
    assert policy.config.text.head_dim == 8 and policy.config.image_tokens == 4
    for name, tensor in backbone.state_dict().items():
        torch.testing.assert_close(policy.backbone.state_dict()[name], tensor, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("vision_config", "qk_normalization", True),
        ("vision_config", "norm_type", "rms_norm"),
        (None, "select_layer", -2),
        (None, "ps_version", "v1"),
    ],
)
def test_a_chat_model_of_other_mathematics_is_refused(part, key, value):
    config = json.loads(json.dumps(CHAT_CONFIG))
    (config[part] if part else config)[key] = value
    with pytest.raises(CheckpointError, match=key):
        sizes(config)


def test_a_chat_folder_without_weights_or_config_is_refused(chat_folder, tmp_path):
    config = json.loads(json.dumps(CHAT_CONFIG))
    del config["llm_config"]["rope_theta"]
    with pytest.raises(CheckpointError, match="rope_theta"):
        sizes(config)
    (chat_folder / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    with pytest.raises(CheckpointError, match="internvl_chat"):
        load_internvl_chat(chat_folder)
    with pytest.raises(CheckpointError, match="config.json"):
        load_internvl_chat(tmp_path / "absent")
