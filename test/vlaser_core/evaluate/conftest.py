"""Makers of reference cases of any size, computed by `plain_model`."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import linear, silu

# Test folders are no packages, so a module beside a test is loaded by its path.
_SPEC = importlib.util.spec_from_file_location("plain_model", Path(__file__).with_name("plain_model.py"))
plain = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(plain)
State = dict[str, torch.Tensor]
IMAGE, PAD, PATCH, TEXT, VISION, VOCABULARY = plain.IMAGE, plain.PAD, plain.PATCH, plain.TEXT, plain.VISION, plain.VOCABULARY


def write(folder: Path, name: str, facts: dict, state: State, inputs: State, outputs: State) -> None:
    (folder / f"{name}.json").write_text(json.dumps({"case": name, **facts}), encoding="utf-8")
    for part, tensors in (("state_dict", state), ("inputs", inputs), ("outputs", outputs)):
        save_file({key: tensor.detach().clone().contiguous() for key, tensor in tensors.items()}, folder / f"{name}.{part}.safetensors")


@pytest.fixture(scope="session")
def make_policy_case():
    """Writes a policy case: `lengths` real tokens of each sample in prompts of `longest`; table: side of the picture the position table is for."""

    def make(
        folder: Path,
        name: str,
        *,
        lengths=(80, 90),
        longest=96,
        side=224,
        table=224,
        horizon=4,
        steps=10,
        period=1e4,
        proprio=7,
        expert=32,
        base=1e6,
        seed=0,
    ):
        generator, batch, hidden = torch.Generator().manual_seed(seed), len(lengths), TEXT["hidden"]
        ours, theirs, tower = "joint_model.mixtures.proprio.", "joint_model.mixtures.action.", "vision_tower.vision_model."
        shapes = {"embed_tokens.weight": (VOCABULARY, hidden), **plain.vision_shapes(tower, "multi_modal_projector.", table)}
        shapes |= plain.block_shapes("joint_model.mixtures.vlm.", hidden, TEXT["mlp"]) | plain.block_shapes(ours, expert, 40)
        shapes |= {"internvl_model.language_model.lm_head.weight": (VOCABULARY, hidden), "action_encoder.linear_1.weight": (expert, 7)}
        shapes |= {"action_encoder.linear_2.weight": (expert, 2 * expert), "action_encoder.linear_3.weight": (expert, expert)}
        shapes |= {f"action_encoder.linear_{i}.bias": (expert,) for i in (1, 2, 3)} | {"proprio_encoder.weight": (expert, proprio)}
        shapes |= {"proprio_encoder.bias": (expert,), "action_decoder.weight": (7, expert), "action_decoder.bias": (7,)}
        state = {key: tensor.requires_grad_() for key, tensor in plain.draw(shapes, generator).items()}
        tokens = (side // PATCH // 2) ** 2
        ids, valid = torch.full((batch, longest), PAD), torch.zeros(batch, longest, dtype=torch.bool)
        for row, length in enumerate(lengths):
            text = torch.randint(IMAGE + 1, VOCABULARY, (length - tokens,), generator=generator)
            ids[row, :length] = torch.cat([text[:5], torch.full((tokens,), IMAGE), text[5:]])
            valid[row, :length] = True
        images = torch.randint(0, 256, (batch, 1, 3, side, side), generator=generator).to(torch.uint8)
        pixels = (images[:, 0].float() / 255 - plain.MEAN[:, None, None]) / plain.STD[:, None, None]
        state_values, actions = (
            torch.rand(batch, 1, proprio, generator=generator) * 2 - 1,
            torch.rand(batch, horizon, 7, generator=generator) * 2 - 1,
        )
        t, noise, other = torch.rand(batch, generator=generator), *(torch.randn(batch, horizon, 7, generator=generator) for _ in range(2))
        allowed = torch.zeros(batch, longest + 1 + horizon, longest + 1 + horizon, dtype=torch.bool)
        allowed[:, :longest, :longest] = valid[:, :, None] & valid[:, None, :]
        allowed[:, longest:, :longest] = valid[:, None, :]
        allowed[:, longest:, longest] = True
        allowed[:, longest + 1 :, longest + 1 :] = True
        count = {"vlm": torch.arange(1, longest + 1), "proprio": torch.ones(1, dtype=torch.int64), "action": torch.arange(2, horizon + 2)}
        positions = {block: numbers.expand(batch, -1).contiguous() for block, numbers in count.items()}
        homes = {"vlm": "joint_model.mixtures.vlm.", "proprio": ours, "action": ours}

        def clock(t_B: torch.Tensor) -> torch.Tensor:
            angles = t_B[:, None] * torch.exp(-math.log(period) * torch.arange(expert // 2) / (expert // 2 - 1))
            return torch.cat([angles.sin(), angles.cos()], dim=-1)

        def encode(x: torch.Tensor, t_B: torch.Tensor) -> torch.Tensor:
            first, second, third = (
                lambda h, i=i: linear(h, state[f"action_encoder.linear_{i}.weight"], state[f"action_encoder.linear_{i}.bias"])
                for i in (1, 2, 3)
            )
            return third(silu(second(torch.cat([clock(t_B)[:, None].expand(-1, horizon, -1), first(x)], dim=-1))))

        def field(x: torch.Tensor, t_B: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, list[State], list[State]]:
            tokens_BHD = encode(x, t_B)
            blocks = {"vlm": embeds, "proprio": state_token, "action": tokens_BHD}
            outputs, caches = plain.think(state, homes, blocks, positions, allowed, base)
            last = plain.rms(outputs[-1]["action"], state[f"{ours}norm.weight"])
            return tokens_BHD, last, linear(last, state["action_decoder.weight"], state["action_decoder.bias"]), outputs, caches

        seen = plain.see(state, tower, pixels)
        features = plain.project(state, "multi_modal_projector.", seen)
        embeds = plain.embed(state["embed_tokens.weight"], ids, features)
        state_token = linear(state_values, state["proprio_encoder.weight"], state["proprio_encoder.bias"])
        x_t, target = (1 - 0.999 * t[:, None, None]) * noise + t[:, None, None] * actions, actions - 0.999 * noise
        tokens_BHD, last, velocity, layers, caches = field(x_t, t)
        loss = (velocity - target).square().mean()
        loss.backward()
        out = {
            "train.x0": noise, "train.vit_last_hidden": seen, "train.projector_out": features, "train.inputs_embeds": embeds, "train.psi_t": x_t,
            "train.proprio_embeds": state_token, "train.time_cond": clock(t), "train.action_embeds": tokens_BHD, "train.action_hidden": last,
            "train.velocity": velocity, "train.target_velocity": target, "train.loss": loss, "infer.x0": other,
        }  # fmt: skip
        for block, ids_of in positions.items():
            out[f"rope.{block}.cos"], out[f"rope.{block}.sin"] = plain.rotary(ids_of, base)
        for index, (layer, cache) in enumerate(zip(layers, caches, strict=True)):
            out |= {f"train.layer{index}.{block}": x for block, x in layer.items() if index < len(layers) - 1 or block != "proprio"}
            out |= {f"infer.cache.{block}.{n}{index}": cache[f"{n}.{block}"] for n in "kv" for block in ("vlm", "proprio")}
            if index < len(layers) - 1:
                out[f"infer.prefill.layer{index}.proprio"] = layer["proprio"]
        for key in (
            "action_decoder.weight",
            "proprio_encoder.weight",
            f"{ours}layers.0.self_attn.q_proj.weight",
            f"{tower}encoder.layers.0.attn.qkv.weight",
        ):
            out[f"grad.{key}".replace(ours, theirs)] = state[key].grad
        x, now = other, torch.zeros(batch)
        with torch.no_grad():
            for step in range(steps):
                tokens_BHD, last, velocity, layers, _ = field(x, now)
                values = {
                    "t": now,
                    "x_in": x,
                    "time_cond": clock(now),
                    "action_embeds": tokens_BHD,
                    "action_hidden": last,
                    "velocity": velocity,
                }
                out |= {f"infer.step{step}.{key}": value for key, value in values.items()}
                if step == 0:
                    out |= {f"infer.step0.layer{index}.action": layer["action"] for index, layer in enumerate(layers)}
                x, now = x + velocity / steps, now + 1 / steps
        out |= {"infer.actions_unclamped": x, "infer.actions": x.clamp(-1, 1)}
        aliases = {key.replace(ours, theirs): key for key in state if key.startswith(ours)}
        facts = {
            "spec": {"horizon": horizon, "steps": steps, "period": period, "max_seq_len": longest, "vit": {"num_attention_heads": VISION["heads"]}},
            "internvl_config": {"llm_config": {"rope_theta": base, "rms_norm_eps": 1e-6}}, "vla_cfg": {"final_action_clip_value": 1.0},
            "image_context_token_id": IMAGE, "flow_sig_min": 0.001, "state_dict_aliases": aliases,
            "state_dict_keys": {key: list(tensor.shape) for key, tensor in state.items()} | {key: list(state[stored].shape) for key, stored in aliases.items()},
            "grad_norms": {key: None if tensor.grad is None else float(tensor.grad.norm()) for key, tensor in state.items()},
        }  # fmt: skip
        inputs = {
            "input_ids": ids, "attention_mask": valid.long(), "images_uint8": images, "pixel_values": pixels, "proprios": state_values, "actions": actions,
            "t": t, "x0_train": noise, "x0_infer": other, "causal_mask_allowed": allowed[:, None], "action_mask_allowed": allowed[:, None, longest + 1 :],
            "image_text_proprio_mask_allowed": allowed[:, None, : longest + 1, : longest + 1],
            **{f"{block}_position_ids": numbers for block, numbers in positions.items()},
        }  # fmt: skip
        write(folder, name, facts, state, inputs, out)

    return make


@pytest.fixture(scope="session")
def make_chat_case():
    """Writes a chat case: how many tiles each sample's pictures take (0: none, and a tile that stands for nothing), and its words."""

    def make(folder: Path, name: str, *, tiles=(2, 1), words=(12, 5), side=56, new=12, seed=0):
        generator, hidden, tokens = torch.Generator().manual_seed(seed), TEXT["hidden"], (side // PATCH // 2) ** 2
        text, head = "language_model.model.", "language_model.lm_head.weight"
        shapes = {
            f"{text}embed_tokens.weight": (VOCABULARY, hidden),
            head: (VOCABULARY, hidden),
            **plain.vision_shapes("vision_model.", "mlp1.", side),
        }
        state = plain.draw(shapes | plain.block_shapes(text, hidden, TEXT["mlp"]), generator)
        rows = [
            torch.cat([torch.full((n * tokens,), IMAGE), torch.randint(IMAGE + 1, VOCABULARY, (w,), generator=generator)])
            for n, w in zip(tiles, words, strict=True)
        ]
        longest = max(map(len, rows))
        ids, valid = torch.full((len(rows), longest), PAD), torch.zeros(len(rows), longest, dtype=torch.bool)
        for index, row in enumerate(rows):
            ids[index, : len(row)], valid[index, : len(row)] = row, True
        flags = torch.cat([torch.ones(n, dtype=torch.int64) if n else torch.zeros(1, dtype=torch.int64) for n in tiles])
        pixels = torch.randn(len(flags), 3, side, side, generator=generator)
        labels = torch.where(valid, ids, -100)
        labels[:, :-4] = torch.where(ids[:, :-4] == IMAGE, -100, labels[:, :-4])
        positions = (valid.long().cumsum(1) - 1).masked_fill(~valid, 1)
        features = plain.project(state, "mlp1.", plain.see(state, "vision_model.", pixels)).flatten(1, 2)

        def run(row_ids: torch.Tensor, mask: torch.Tensor, numbers: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
            x = {"text": plain.embed(state[f"{text}embed_tokens.weight"], row_ids, shown)}
            outputs, _ = plain.think(state, {"text": text}, x, {"text": numbers}, plain.causal(mask), 1e6)
            return plain.rms(outputs[-1]["text"], state[f"{text}norm.weight"])

        last = run(ids, valid, positions, features[flags.bool()])
        logits = linear(last, state[head])
        told, wanted = logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten()
        answer = rows[0][None]
        for _ in range(new):
            after = run(answer, torch.ones_like(answer, dtype=torch.bool), torch.arange(answer.shape[1])[None], features[: tiles[0]])
            answer = torch.cat([answer, linear(after[:, -1], state[head]).argmax(-1, keepdim=True)], dim=1)
        vision = {"hidden_size": VISION["width"], "intermediate_size": VISION["mlp"], "num_hidden_layers": VISION["layers"]}
        language = {
            "hidden_size": hidden,
            "intermediate_size": TEXT["mlp"],
            "num_hidden_layers": TEXT["layers"],
            "num_attention_heads": TEXT["heads"],
        }
        language |= {"num_key_value_heads": TEXT["kv"], "head_dim": plain.HEAD, "vocab_size": VOCABULARY, "max_position_embeddings": 512}
        facts = {
            "internvl_config": {
                "vision_config": {**vision, "num_attention_heads": VISION["heads"], "image_size": side, "patch_size": PATCH},
                "llm_config": {**language, "rope_theta": 1e6, "rms_norm_eps": 1e-6}, "force_image_size": side,
            },
            "image_context_token_id": IMAGE, "num_image_token_per_tile": tokens, "state_dict_keys": {key: list(value.shape) for key, value in state.items()},
        }  # fmt: skip
        out = {"vit_features_after_mlp1": features, "logits": logits, "logits_with_position_ids": logits, "last_hidden": last}
        out |= {"loss": torch.nn.functional.cross_entropy(told, wanted, ignore_index=-100), "greedy_tokens_sample0": answer[:, -new:]}
        inputs = {
            "pixel_values": pixels,
            "input_ids": ids,
            "attention_mask": valid,
            "labels": labels,
            "image_flags": flags,
            "position_ids": positions,
        }
        write(folder, name, facts, state, inputs, out)

    return make
