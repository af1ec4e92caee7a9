"""Every published layout must load exactly; anything else must be refused by file and key."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from vlaser_core.checkpoint.detect import layout_of, open_checkpoint, open_source
from vlaser_core.checkpoint.folder import load_checkpoint, save_checkpoint
from vlaser_core.checkpoint.internvl_chat import sizes
from vlaser_core.checkpoint.source import build
from vlaser_core.checkpoint.tensors import Tensors
from vlaser_core.checkpoint.upstream import infer_config, model_from_upstream, upstream_source
from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import CheckpointError
from vlaser_core.model.config import ExpertSize

IMAGE_ID = 5
VISION = 16  # width of the tiny vision tower


@pytest.fixture
def upstream_file(upstream, tmp_path):
    """As training writes it: marks of compilation before and within names, bfloat16, beside the optimizer's state."""
    state = {f"_orig_mod.{name.replace('layers.1.', 'layers.1._orig_mod.')}": tensor.bfloat16() for name, tensor in upstream.items()}
    torch.save({"cnt_update": 3, "model": state, "action_optimizer": {"state": {}}}, tmp_path / "step.pt")
    return tmp_path / "step.pt"


def test_sizes_are_read_from_shapes(upstream):
    config = infer_config(Tensors.of_state(upstream, "here"), vision_heads=2, time_max_period=100.0)
    assert (config.vision.image_size, config.vision.layers, config.vision.heads, config.image_tokens) == (56, 3, 2, 4)
    assert (config.text.heads, config.text.kv_heads, config.text.layers, config.text.intermediate_size) == (2, 1, 2, 40)
    assert (config.expert.hidden_size, config.expert.intermediate_size, config.proprio_dim, config.action_dim) == (16, 20, 7, 7)
    assert config.text.vocab_size == 2048 and config.time_max_period == 100.0 and config.max_tiles == 12


def test_fused_attention_is_split_in_the_order_query_key_value(upstream):
    model = model_from_upstream(upstream, IMAGE_ID, vision_heads=2)
    attention = model.backbone.model.vision_tower.encoder.layer[1].attention
    fused = upstream["vision_tower.vision_model.encoder.layers.1.attn.qkv.weight"]
    for part, projection in enumerate((attention.q_proj, attention.k_proj, attention.v_proj)):
        torch.testing.assert_close(projection.weight, fused[part * VISION : (part + 1) * VISION], rtol=0, atol=0)
    torch.testing.assert_close(model.backbone.lm_head.weight, upstream["internvl_model.language_model.lm_head.weight"], rtol=0, atol=0)


def test_a_compiled_half_precision_file_becomes_a_checkpoint_that_loads(upstream, upstream_file, tokenizer_folder, statistics, tmp_path):
    robot = load_embodiment("widowx")
    checkpoint = open_checkpoint(
        upstream_file, embodiment=robot, statistics=statistics, tokenizer=tokenizer_folder, vision_heads=2, time_max_period=100.0
    )
    assert checkpoint.model.dtype == torch.bfloat16
    save_checkpoint(checkpoint, tmp_path / "ours")
    again = load_checkpoint(tmp_path / "ours")
    assert again.model.dtype == torch.float32 and again.model.config.time_max_period == 100.0
    for name, tensor in again.model.state_dict().items():
        torch.testing.assert_close(tensor, checkpoint.model.state_dict()[name].float(), rtol=0, atol=0)
    torch.testing.assert_close(again.model.action_decoder.bias, upstream["action_decoder.bias"].bfloat16().float(), rtol=0, atol=0)


def test_rotary_frequencies_stay_exact_in_half_precision(upstream):
    exact = model_from_upstream(upstream, IMAGE_ID, vision_heads=2).expert.rotary_emb.inv_freq
    half = model_from_upstream({name: tensor.bfloat16() for name, tensor in upstream.items()}, IMAGE_ID, vision_heads=2)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.expert.rotary_emb.inv_freq, exact, rtol=0, atol=0)
    torch.testing.assert_close(half.backbone.model.language_model.rotary_emb.inv_freq, exact, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("copy", "original"),
    [
        ("joint_model.mixtures.proprio.norm.weight", "joint_model.mixtures.action.norm.weight"),
        ("internvl_model.language_model.model.embed_tokens.weight", "embed_tokens.weight"),
        ("internvl_model.vision_model.encoder.layers.0.ls1", "vision_tower.vision_model.encoder.layers.0.ls1"),
    ],
)
def test_copies_that_hold_other_numbers_are_refused(upstream, copy, original):
    upstream[copy] = upstream[original].clone()
    model_from_upstream(upstream, IMAGE_ID, vision_heads=2)
    upstream[copy] = upstream[original] + 1
    with pytest.raises(CheckpointError, match=f"{copy} differs from {original}"):
        model_from_upstream(upstream, IMAGE_ID, vision_heads=2)


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
        ("action_head.model.fc1.weight", torch.zeros(3), "RoboTwin"),
        ("action_decoder.bias", torch.zeros(7, dtype=torch.int8), "action_decoder.bias is torch.int8"),
    ],
)
def test_a_file_of_another_model_is_refused_by_name(upstream, name, value, message):
    upstream.pop(name, None)
    if value is not None:
        upstream[name] = value
    with pytest.raises(CheckpointError, match=message):
        model_from_upstream(upstream, IMAGE_ID, vision_heads=2)


def test_damaged_files_and_files_with_code_are_refused(tmp_path):
    torch.save({"model": {"a": torch.zeros(2)}, "hook": print}, tmp_path / "code.pt")
    (tmp_path / "short.pt").write_bytes(b"PK\x03\x04 cut off")
    (tmp_path / "short.safetensors").write_bytes(b"\xff" * 20)
    torch.save([1, 2], tmp_path / "list.pt")
    for name in ("code.pt", "short.pt", "short.safetensors", "list.pt", "absent.pt"):
        with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
            upstream_source(tmp_path / name)


def test_every_tensor_of_a_sharded_chat_folder_arrives_as_it_is(chat_folder, chat_state):
    checkpoint = open_checkpoint(chat_folder)
    model = checkpoint.model
    assert model.dtype == torch.bfloat16 and model.config.expert is None and checkpoint.embodiment is None
    assert model.config.text.head_dim == 8 and model.config.image_tokens == 4
    assert sum(tensor.numel() for tensor in model.state_dict().values()) == sum(tensor.numel() for tensor in chat_state.values())
    assert torch.equal(
        model.backbone.model.language_model.layers[1].mlp.up_proj.weight, chat_state["language_model.model.layers.1.mlp.up_proj.weight"]
    )
    assert torch.equal(model.backbone.model.multi_modal_projector.linear_2.bias, chat_state["mlp1.3.bias"])


@pytest.mark.parametrize("index", [True, False])
def test_sharded_bin_files_hold_the_same_model(chat_folder, chat_state, index):
    """As published before safetensors; trainers leave a training_args.bin beside them, which is a pickle of objects."""
    reference = open_checkpoint(chat_folder).model.state_dict()
    for file in (*chat_folder.glob("*.safetensors"), chat_folder / "model.safetensors.index.json"):
        file.unlink()
    names, places = sorted(chat_state), {}
    for part in (0, 1):
        file = f"pytorch_model-0000{part + 1}-of-00002.bin"
        torch.save({name: chat_state[name] for name in names[part::2]}, chat_folder / file)
        places |= dict.fromkeys(names[part::2], file)
    torch.save({"arguments": print}, chat_folder / "training_args.bin")
    if index:
        (chat_folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": places}), encoding="utf-8")
    for name, tensor in open_checkpoint(chat_folder).model.state_dict().items():
        assert torch.equal(tensor, reference[name]), name
    second = chat_folder / "pytorch_model-00002-of-00002.bin"
    second.write_bytes(second.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"cannot read .*pytorch_model-00002-of-00002\.bin: damaged"):
        open_checkpoint(chat_folder)


@pytest.mark.parametrize(("values", "period"), [(7, 10_000.0), (8, 100.0)])
def test_the_time_period_is_that_of_upstreams_configuration_for_the_robot(upstream, values, period):
    upstream["proprio_encoder.weight"] = torch.zeros(16, values)
    tensors = Tensors.of_state(upstream, "here")
    assert infer_config(tensors, vision_heads=2).time_max_period == period
    assert infer_config(tensors, vision_heads=2, time_max_period=5.0).time_max_period == 5.0


def test_a_new_expert_leaves_the_backbone_alone_and_follows_its_seed(chat_folder, statistics):
    robot = load_embodiment("widowx")

    def opened(seed: int):
        return open_checkpoint(
            chat_folder, embodiment=robot, statistics=statistics, new_expert=True, expert=ExpertSize(16, 20), seed=seed
        ).model

    plain, first, again, other = open_checkpoint(chat_folder).model, opened(1), opened(1), opened(2)
    for name, tensor in plain.state_dict().items():
        assert torch.equal(first.state_dict()[name], tensor), name
    weights = [model.expert.layers[0].mlp.up_proj.weight for model in (first, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    assert (
        torch.equal(first.expert.norm.weight, torch.ones_like(first.expert.norm.weight))
        and not first.expert.layers[0].self_attn.q_proj.bias.any()
    )


def hugging_face(folder, old_spelling: bool, tied: bool):
    """The same weights in Hugging Face's layout, beside a chat folder."""
    model = open_checkpoint(folder).model
    target = folder.with_name("hf")
    target.mkdir()
    state = {name.removeprefix("backbone."): tensor.clone() for name, tensor in model.state_dict().items()}
    if tied:
        del state["lm_head.weight"]
    if old_spelling:
        state = {
            (
                f"language_model.{name}"
                if name.startswith("lm_head")
                else name.removeprefix("model.").replace("language_model.", "language_model.model.", 1)
            ): tensor
            for name, tensor in state.items()
        }
    save_file(state, target / "model.safetensors")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (target / name).write_bytes((folder / name).read_bytes())
    chat = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    vision = {**chat["vision_config"], "image_size": [56, 56], "patch_size": [14, 14], "attention_bias": True}
    text = {**chat["llm_config"], "model_type": "qwen2"}
    config = {"model_type": "internvl", "vision_config": vision, "text_config": text, "image_token_id": IMAGE_ID, "downsample_ratio": 0.5}
    (target / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return target


@pytest.mark.parametrize("old_spelling", [True, False])
@pytest.mark.parametrize("tied", [True, False])
def test_hugging_faces_layout_holds_the_same_model(chat_folder, old_spelling, tied):
    reference = open_checkpoint(chat_folder).model.state_dict()
    folder = hugging_face(chat_folder, old_spelling, tied)
    assert layout_of(folder) == "internvl_hf"
    model = open_checkpoint(folder).model
    assert model.config.text.tie_embeddings == tied
    for name, tensor in model.state_dict().items():
        assert tied and name == "backbone.lm_head.weight" or torch.equal(tensor, reference[name]), name
    if tied:
        assert model.backbone.lm_head.weight is model.backbone.get_input_embeddings().weight


def test_a_tokenizer_that_names_another_image_token_is_refused(chat_folder):
    folder = hugging_face(chat_folder, old_spelling=False, tied=False)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "image_token_id": 77}), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"<IMG_CONTEXT> is 5, expected 77"):
        open_checkpoint(folder)


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("vision_config", "qk_normalization", True),
        ("vision_config", "norm_type", "rms_norm"),
        (None, "select_layer", -2),
        (None, "ps_version", "v1"),
        ("vision_config", "layer_norm_eps", 1e-5),
        ("llm_config", "model_type", "internlm2"),
        ("llm_config", "rope_scaling", {"type": "yarn", "factor": 4.0}),
    ],
)
def test_a_chat_model_of_other_mathematics_is_refused(chat_config, part, key, value):
    (chat_config[part] if part else chat_config)[key] = value
    with pytest.raises(CheckpointError, match=value["type"] if isinstance(value, dict) else key):
        sizes(chat_config)


def test_a_chat_folder_without_weights_or_config_is_refused(chat_folder, chat_config, tmp_path):
    del chat_config["llm_config"]["rope_theta"]
    with pytest.raises(CheckpointError, match="rope_theta"):
        sizes(chat_config)
    (chat_folder / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    with pytest.raises(CheckpointError, match="internvl_chat"):
        open_source(chat_folder)
    with pytest.raises(CheckpointError, match="absent"):
        open_source(tmp_path / "absent")


def test_a_tied_chat_model_may_store_its_head_but_not_another(chat_state, chat_config):
    from pathlib import Path

    from vlaser_core.checkpoint.internvl_chat import source_of

    chat_config["llm_config"]["tie_word_embeddings"] = True
    with pytest.raises(CheckpointError, match="lm_head.weight differs from"):
        build(source_of(Tensors.of_state(chat_state, "here"), chat_config, Path("here")), IMAGE_ID)
    chat_state["language_model.lm_head.weight"] = chat_state["language_model.model.embed_tokens.weight"]
    model = build(source_of(Tensors.of_state(chat_state, "here"), chat_config, Path("here")), IMAGE_ID)
    assert model.backbone.lm_head.weight is model.backbone.get_input_embeddings().weight


def test_the_files_of_a_checkpoint_are_given_back_while_reading(chat_folder, chat_state, monkeypatch):
    from vlaser_core.checkpoint import tensors as module

    monkeypatch.setattr(module, "RELEASE_BYTES", 1000)
    tensors = Tensors.of_folder(chat_folder)
    for name in tensors:
        assert torch.equal(tensors.read(name), chat_state[name])
    assert load_file(chat_folder / "model-00001-of-00002.safetensors").keys() < set(tensors)
