"""Parity of the policy: a tiny random checkpoint in upstream's layout, followed layer by layer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from vlaser_core.checkpoint.names import target_names
from vlaser_core.checkpoint.upstream import PREFIXES, model_from_upstream
from vlaser_core.evaluate.parity import ACTION, HIDDEN, Check, close, need, same
from vlaser_core.model.encodings import time_embedding
from vlaser_core.model.flow import flow_loss, integrate, interpolate, target_velocity
from vlaser_core.model.vlaser import Prefix, Vlaser
from vlaser_core.processing.pixels import normalise_pixels

CASE = "vla_a448_b1"
Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class PolicyCase:
    """A reference model with its inputs and outputs. facts: the case's json."""

    model: Vlaser
    inputs: Tensors
    outputs: Tensors
    facts: dict

    def pixels(self) -> torch.Tensor:
        return normalise_pixels(self.inputs["images_uint8"][:, 0].permute(0, 2, 3, 1).numpy())

    def prefix(self) -> Prefix:
        return self.model.prefix(self.inputs["input_ids"], self.inputs["attention_mask"], self.pixels())

    @property
    def proprio(self) -> torch.Tensor:
        return self.inputs["proprios"][:, 0]


def load_policy_case(directory: Path, **constants) -> PolicyCase:
    """The case in `directory`; constants override those of `checkpoint.upstream.infer_config`."""
    facts = json.loads(need(directory / f"{CASE}.json").read_text(encoding="utf-8"))
    state, inputs, outputs = (load_file(need(directory / f"{CASE}.{part}.safetensors")) for part in ("state_dict", "inputs", "outputs"))
    state |= {alias: state[stored] for alias, stored in facts["state_dict_aliases"].items()}
    spec = facts["spec"]
    settings = {
        "horizon": spec["horizon"],
        "time_max_period": spec["period"],
        "flow_steps": spec["steps"],
        "max_prompt_tokens": spec["max_seq_len"],
        "vision_heads": spec["vit"]["num_attention_heads"],
    }
    return PolicyCase(model_from_upstream(state, facts["image_context_token_id"], **settings | constants), inputs, outputs, facts)


@contextmanager
def recorded(modules: dict[str, torch.nn.Module]) -> Iterator[dict[str, list[torch.Tensor]]]:
    """What each module returns on each call, while the context lasts."""
    seen: dict[str, list[torch.Tensor]] = {name: [] for name in modules}

    def hook(name: str):
        def keep(_module, _inputs, output) -> None:
            seen[name].append(output[0] if isinstance(output, tuple) else output)

        return keep

    handles = [module.register_forward_hook(hook(name)) for name, module in modules.items()]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def policy_checks(directory: Path) -> Iterator[Check]:
    """Vision, backbone, expert, loss, gradients, and every step of the flow."""
    case = load_policy_case(directory)
    yield same("policy weights", "every upstream name has a place", _homeless(case), [])
    yield from _prefix(case)
    yield from _training(case)
    yield from _inference(case)


def _homeless(case: PolicyCase) -> list[str]:
    """Upstream's canonical names that no tensor of the model answers to; copies upstream never reads are left out."""
    own = set(case.model.state_dict())
    unread = ("internvl_model.", "joint_model.mixtures.proprio.")
    names = [name for name in case.facts["state_dict_keys"] if not name.startswith(unread)]
    return [name for name in names if not target_names(name, PREFIXES) or not own.issuperset(target_names(name, PREFIXES))]


def _prefix(case: PolicyCase) -> Iterator[Check]:
    model, reference, valid = case.model, case.outputs, case.inputs["attention_mask"].bool()
    pixels = case.pixels()
    yield close("policy prefix", "pixels", pixels[:, :, :8, :8], case.inputs["pixel_values_crop8"], 1e-6)
    language = model.backbone.model.language_model
    modules = {"vit": model.backbone.model.vision_tower.encoder, **{f"layer{i}": layer for i, layer in enumerate(language.layers)}}
    with torch.no_grad(), recorded(modules) as seen:
        prefix = case.prefix()
        embeds = model.embed(case.inputs["input_ids"], pixels)
        features = model.image_features(pixels)
        rotary = language.rotary_emb(embeds, case.inputs["vlm_position_ids"])
    vit = seen["vit"][0]
    yield close("policy prefix", "vision tower", getattr(vit, "last_hidden_state", vit), reference["train.vit_last_hidden"], HIDDEN)
    yield close("policy prefix", "projector", features, reference["train.projector_out"].flatten(1, 2), HIDDEN)
    yield close("policy prefix", "embeddings", embeds[valid], reference["train.inputs_embeds"][valid], HIDDEN)
    for name, table in zip(("cos", "sin"), rotary, strict=True):
        yield close("policy prefix", f"rotary {name}", table, reference[f"rope.vlm.{name}"], 1e-6)
    for index in range(len(language.layers)):
        yield close("policy prefix", f"layer {index}", seen[f"layer{index}"][0][valid], reference[f"train.layer{index}.vlm"][valid], HIDDEN)
    for index in (0, len(language.layers) - 1):
        for name, cached in (("k", prefix.keys[index]), ("v", prefix.values[index])):
            ours, theirs = (tensor.transpose(1, 2)[valid] for tensor in (cached, reference[f"infer.cache.vlm.{name}{index}"]))
            yield close("policy prefix", f"cached {name} of layer {index}", ours, theirs, HIDDEN)
    allowed = case.inputs["causal_mask_allowed"][:, :, valid.shape[1] :]
    yield same("policy prefix", "who may look at whom", model.expert_mask(valid).flatten().tolist(), allowed.flatten().tolist())


def _training(case: PolicyCase) -> Iterator[Check]:
    model, inputs, reference = case.model, case.inputs, case.outputs
    sigma, t_B = model.config.flow_sigma, inputs["t"]
    x = interpolate(inputs["x0_train"], inputs["actions"], t_B, sigma)
    target = target_velocity(inputs["x0_train"], inputs["actions"], sigma)
    yield close("policy training", "x_t", x, reference["train.psi_t"], ACTION)
    yield close("policy training", "target", target, reference["train.target_velocity"], ACTION)
    width, period = model.config.expert.hidden_size, model.config.time_max_period
    yield close("policy training", "time embedding", time_embedding(t_B, width, period), reference["train.time_cond"], 1e-6)
    modules = {"actions": model.action_encoder, "state": model.proprio_encoder, "norm": model.expert.norm}
    modules |= {f"layer{index}": layer for index, layer in enumerate(model.expert.layers)}
    model.zero_grad(set_to_none=True)
    with recorded(modules) as seen:
        velocity = model.velocity(case.prefix(), case.proprio, x, t_B)
    loss = flow_loss(velocity, target)
    loss.backward()
    yield close("policy training", "action tokens", seen["actions"][0], reference["train.action_embeds"], HIDDEN)
    yield close("policy training", "state token", seen["state"][0][:, None], reference["train.proprio_embeds"], HIDDEN)
    for index in range(len(model.expert.layers)):
        hidden = seen[f"layer{index}"][0]
        yield close("policy training", f"layer {index}, actions", hidden[:, 1:], reference[f"train.layer{index}.action"], HIDDEN)
        if f"train.layer{index}.proprio" in reference:
            yield close("policy training", f"layer {index}, state", hidden[:, :1], reference[f"train.layer{index}.proprio"], HIDDEN)
    yield close("policy training", "last hidden state", seen["norm"][0][:, 1:], reference["train.action_hidden"], HIDDEN)
    yield close("policy training", "velocity", velocity, reference["train.velocity"], ACTION)
    yield close("policy training", "loss", loss, reference["train.loss"], 1e-6)
    yield from _gradients(case)
    model.zero_grad(set_to_none=True)


def _gradients(case: PolicyCase) -> Iterator[Check]:
    """Six gradients element by element, and the norm of every other one."""
    parameters = dict(case.model.named_parameters())

    def gradient(name: str) -> torch.Tensor | None:
        parts = [parameters[target].grad for target in target_names(name, PREFIXES)]
        return None if not parts or any(part is None for part in parts) else torch.cat(parts)

    for name in (name.removeprefix("grad.") for name in case.outputs if name.startswith("grad.")):
        yield close("policy gradients", name, gradient(name), case.outputs[f"grad.{name}"], HIDDEN)
    for name, norm in case.facts["grad_norms"].items():
        name = name.replace("mixtures.proprio.", "mixtures.action.")
        ours = gradient(name) if target_names(name, PREFIXES) else None
        if norm is None or ours is None:
            # Both sides must agree that nothing flows; upstream's unread copies have no gradient either.
            size = 0.0 if ours is None else float(ours.norm())
            yield close("policy gradients", f"norm of {name}", size, norm or 0.0, 1e-8)
        else:
            yield close("policy gradients", f"relative norm of {name}", ours.norm() / max(norm, 1e-3), norm / max(norm, 1e-3), 1e-4)


def _inference(case: PolicyCase) -> Iterator[Check]:
    model, reference = case.model, case.outputs
    modules = {"norm": model.expert.norm, "tokens": model.action_encoder}
    modules |= {f"layer{index}": layer for index, layer in enumerate(model.expert.layers)}
    xs, ts, velocities = [], [], []

    def velocity(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        xs.append(x)
        ts.append(t)
        velocities.append(model.velocity(prefix, case.proprio, x, t))
        return velocities[-1]

    with torch.no_grad(), recorded(modules) as seen:
        prefix = case.prefix()
        actions = integrate(velocity, case.inputs["x0_infer"], model.config.flow_steps)
    for index in range(len(model.expert.layers)):
        hidden = seen[f"layer{index}"][0]
        expected = reference[f"infer.step0.layer{index}.action"]
        yield close("policy inference", f"step 0, layer {index}, actions", hidden[:, 1:], expected, HIDDEN)
        expected = reference.get(f"infer.prefill.layer{index}.proprio")  # not kept for the last layer
        if expected is not None:
            yield close("policy inference", f"layer {index}, state", hidden[:, :1], expected, HIDDEN)
    for step in range(model.config.flow_steps):
        name = f"infer.step{step}"
        yield close("policy inference", f"step {step}, t", ts[step], reference[f"{name}.t"], 1e-6)
        yield close("policy inference", f"step {step}, x", xs[step], reference[f"{name}.x_in"], ACTION)
        yield close("policy inference", f"step {step}, tokens", seen["tokens"][step], reference[f"{name}.action_embeds"], HIDDEN)
        yield close("policy inference", f"step {step}, hidden", seen["norm"][step][:, 1:], reference[f"{name}.action_hidden"], HIDDEN)
        yield close("policy inference", f"step {step}, velocity", velocities[step], reference[f"{name}.velocity"], ACTION)
    yield close("policy inference", "actions before the clip", actions, reference["infer.actions_unclamped"], ACTION)
    sampled = model.sample(case.prefix(), case.proprio, case.inputs["x0_infer"])
    yield close("policy inference", "actions", sampled, reference["infer.actions"], ACTION)
