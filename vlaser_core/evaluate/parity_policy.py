"""Parity of the policy: tiny random checkpoints in upstream's layout, followed layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from vlaser_core.checkpoint.names import target_names
from vlaser_core.checkpoint.upstream import PREFIXES, model_from_upstream
from vlaser_core.evaluate.parity import ACTION, HIDDEN, Check, Skipped, close, same
from vlaser_core.evaluate.parity_cases import Case, Tensors, cases
from vlaser_core.model.encodings import time_embedding
from vlaser_core.model.flow import flow_loss, integrate, interpolate, target_velocity
from vlaser_core.model.vlaser import CACHE, Prefix, Vlaser
from vlaser_core.processing.pixels import normalise_pixels

Seen = dict[str, list[torch.Tensor]]


@dataclass(frozen=True)
class PolicyCase:
    """A case's inputs and outputs, and the model made of its weights. facts: the case's json."""

    name: str
    model: Vlaser
    inputs: Tensors
    outputs: Tensors
    facts: dict

    @property
    def valid(self) -> torch.Tensor:
        """Which prompt tokens are real (B, T)."""
        return self.inputs["attention_mask"].bool()

    @property
    def proprio(self) -> torch.Tensor:
        return self.inputs["proprios"][:, 0]

    def pixels(self) -> torch.Tensor:
        return normalise_pixels(self.inputs["images_uint8"].flatten(0, 1).permute(0, 2, 3, 1).numpy())

    def prefix(self) -> Prefix:
        return self.model.prefix(self.inputs["input_ids"], self.inputs["attention_mask"], self.pixels())


def policy_of(case: Case, **constants) -> PolicyCase:
    """The model of a case; constants override those of `checkpoint.upstream.infer_config` that the case states."""
    spec, other, text = case.facts["spec"], case.facts.get("vla_cfg", {}), case.facts.get("internvl_config", {}).get("llm_config", {})
    settings = {
        "horizon": spec["horizon"],
        "time_max_period": spec["period"],
        "flow_steps": spec["steps"],
        "max_prompt_tokens": spec["max_seq_len"],
        "vision_heads": spec["vit"]["num_attention_heads"],
        "rope_theta": float(text.get("rope_theta", 1e6)),
        "rms_norm_eps": text.get("rms_norm_eps", 1e-6),
    }
    model = model_from_upstream(case.state, case.facts["image_context_token_id"], **settings | constants)
    model.config = replace(
        model.config,
        flow_sigma=case.facts.get("flow_sig_min", model.config.flow_sigma),
        action_clip=other.get("final_action_clip_value", model.config.action_clip),
    )
    return PolicyCase(case.name, model, case.inputs, case.outputs, case.facts)


def policy_checks(directory: Path) -> Iterator[Check | Skipped]:
    """Vision, backbone, expert, loss, gradients, and every step of the flow, of each policy case."""
    for case in cases(directory, "policy"):
        yield from case_checks(policy_of(case))
        yield from case.unused()


def case_checks(case: PolicyCase) -> Iterator[Check]:
    """All comparisons of one case."""
    yield same(f"{case.name} weights", "every upstream name has a place", _homeless(case), [])
    yield from _prefix(case)
    yield from _attention(case)
    yield from _training(case)
    yield from _inference(case)


@contextmanager
def recorded(modules: dict[str, torch.nn.Module]) -> Iterator[Seen]:
    """What each module returns on each call, while the context lasts."""
    seen: Seen = {name: [] for name in modules}

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


class _Overheard:
    """A cache that hands on what it is asked, and keeps the keys and values each layer brings (B, kv_heads, 1 + H, head_dim)."""

    def __init__(self, cache, kept: dict[str, torch.Tensor]) -> None:
        self._cache, self._kept = cache, kept

    def update(self, keys: torch.Tensor, values: torch.Tensor, layer: int, *rest, **named) -> tuple[torch.Tensor, torch.Tensor]:
        self._kept |= {f"k{layer}": keys, f"v{layer}": values}
        return self._cache.update(keys, values, layer, *rest, **named)

    def __getattr__(self, name: str):
        return getattr(self._cache, name)


@contextmanager
def _overhearing(model: Vlaser) -> Iterator[dict]:
    """How backbone and expert are called the last time while the context lasts: masks, positions, the expert's own keys and values."""
    kept: dict = {"cache": {}}

    def backbone(_module, _args, call: dict) -> None:
        kept["backbone"] = call

    def expert(_module, args, call: dict):
        kept["expert"] = call
        return args, {**call, CACHE: _Overheard(call[CACHE], kept["cache"])}

    modules = ((model.backbone.model.language_model, backbone), (model.expert, expert))
    handles = [module.register_forward_pre_hook(hook, with_kwargs=True) for module, hook in modules]
    try:
        yield kept
    finally:
        for handle in handles:
            handle.remove()


def _homeless(case: PolicyCase) -> list[str]:
    """Upstream's canonical names that no tensor of the model answers to; copies upstream never reads are left out."""
    own = set(case.model.state_dict())
    unread = ("internvl_model.", "joint_model.mixtures.proprio.")
    names = [name for name in case.facts["state_dict_keys"] if not name.startswith(unread)]
    return [name for name in names if not target_names(name, PREFIXES) or not own.issuperset(target_names(name, PREFIXES))]


def _prefix(case: PolicyCase) -> Iterator[Check]:
    group, model, reference, valid = f"{case.name} prefix", case.model, case.outputs, case.valid
    pixels = case.pixels()
    # Large pictures are kept as a corner only.
    if "pixel_values" in case.inputs:
        yield close(group, "pixels", pixels, case.inputs["pixel_values"], ACTION)
    if "pixel_values_crop8" in case.inputs:
        yield close(group, "pixels of a corner", pixels[:, :, :8, :8], case.inputs["pixel_values_crop8"], ACTION)
    language = model.backbone.model.language_model
    modules = {"vit": model.backbone.model.vision_tower.encoder, **{f"layer{i}": layer for i, layer in enumerate(language.layers)}}
    with torch.no_grad(), recorded(modules) as seen:
        prefix = case.prefix()
        embeds = model.embed(case.inputs["input_ids"], pixels)
        features = model.image_features(pixels)
    vit = seen["vit"][0]
    yield close(group, "vision tower", getattr(vit, "last_hidden_state", vit), reference["train.vit_last_hidden"], HIDDEN)
    yield close(group, "projector", features, reference["train.projector_out"].flatten(1, 2), HIDDEN)
    yield close(group, "embeddings", embeds[valid], reference["train.inputs_embeds"][valid], HIDDEN)
    for index in range(len(language.layers)):
        yield close(group, f"layer {index}", seen[f"layer{index}"][0][valid], reference[f"train.layer{index}.vlm"][valid], HIDDEN)
        for name, cached in (("k", prefix.keys[index]), ("v", prefix.values[index])):
            if (key := f"infer.cache.vlm.{name}{index}") in reference:  # kept for the first and the last layer
                yield close(
                    group, f"cached {name} of layer {index}", cached.transpose(1, 2)[valid], reference[key].transpose(1, 2)[valid], HIDDEN
                )


def _attention(case: PolicyCase) -> Iterator[Check]:
    """Who may look at whom, at which positions, and what the state token leaves for the actions to look at."""
    group, model, inputs, reference, valid = f"{case.name} attention", case.model, case.inputs, case.outputs, case.valid
    batch, length = valid.shape
    with torch.no_grad(), _overhearing(model) as calls:
        model.velocity(case.prefix(), case.proprio, inputs["x0_infer"], torch.zeros(batch))
    ours = torch.zeros_like(inputs["causal_mask_allowed"][:, 0])
    ours[:, :length, :length] = calls["backbone"]["attention_mask"]["full_attention"][:, 0]
    ours[:, length:] = calls["expert"]["attention_mask"]["full_attention"][:, 0]
    # Padding looks at nothing upstream and at something here; neither is ever read.
    rows = torch.cat([valid, torch.ones(batch, ours.shape[1] - length, dtype=torch.bool)], dim=1)
    prefill, actions = inputs["image_text_proprio_mask_allowed"][:, 0], inputs["action_mask_allowed"][:, 0]
    yield _same(group, "mask", ours[rows], inputs["causal_mask_allowed"][:, 0][rows])
    yield _same(
        group, "mask of prompt and state", ours[:, : length + 1, : length + 1][rows[:, : length + 1]], prefill[rows[:, : length + 1]]
    )
    yield _same(group, "mask of actions", ours[:, length + 1 :], actions)
    suffix = calls["expert"]["position_ids"].expand(batch, -1)
    positions = {"vlm": calls["backbone"]["position_ids"].expand(batch, -1), "proprio": suffix[:, :1], "action": suffix[:, 1:]}
    for block, ids in positions.items():
        yield _same(group, f"positions of {block}", ids, inputs[f"{block}_position_ids"])
        rotary = (model.backbone.model.language_model if block == "vlm" else model.expert).rotary_emb(case.proprio, ids)
        for name, table in zip(("cos", "sin"), rotary, strict=True):
            yield close(group, f"rotary {name} of {block}", table, reference[f"rope.{block}.{name}"], ACTION)
    for name, brought in calls["cache"].items():
        if (key := f"infer.cache.proprio.{name}") in reference:
            yield close(group, f"cached {name} of the state", brought[:, :, :1], reference[key], HIDDEN)


def _same(group: str, name: str, ours: torch.Tensor, reference: torch.Tensor) -> Check:
    return same(group, name, [*ours.shape, *ours.flatten().tolist()], [*reference.shape, *reference.flatten().tolist()])


def _training(case: PolicyCase) -> Iterator[Check]:
    group, model, inputs, reference = f"{case.name} training", case.model, case.inputs, case.outputs
    sigma, t_B, noise = model.config.flow_sigma, inputs["t"], inputs["x0_train"]
    x = interpolate(noise, inputs["actions"], t_B, sigma)
    target = target_velocity(noise, inputs["actions"], sigma)
    if "train.x0" in reference:  # the noise once more, in which the path begins
        yield close(group, "x_0", interpolate(noise, inputs["actions"], torch.zeros_like(t_B), sigma), reference["train.x0"], ACTION)
    yield close(group, "x_t", x, reference["train.psi_t"], ACTION)
    yield close(group, "target", target, reference["train.target_velocity"], ACTION)
    yield close(group, "time embedding", _time(case, t_B), reference["train.time_cond"], 1e-6)
    modules = {"actions": model.action_encoder, "state": model.proprio_encoder, "norm": model.expert.norm}
    modules |= {f"layer{index}": layer for index, layer in enumerate(model.expert.layers)}
    model.zero_grad(set_to_none=True)
    with recorded(modules) as seen:
        velocity = model.velocity(case.prefix(), case.proprio, x, t_B)
    loss = flow_loss(velocity, target)
    loss.backward()
    yield close(group, "action tokens", seen["actions"][0], reference["train.action_embeds"], HIDDEN)
    yield close(group, "state token", seen["state"][0][:, None], reference["train.proprio_embeds"], HIDDEN)
    for index in range(len(model.expert.layers)):
        hidden = seen[f"layer{index}"][0]
        yield close(group, f"layer {index}, actions", hidden[:, 1:], reference[f"train.layer{index}.action"], HIDDEN)
        if f"train.layer{index}.proprio" in reference:
            yield close(group, f"layer {index}, state", hidden[:, :1], reference[f"train.layer{index}.proprio"], HIDDEN)
    yield close(group, "last hidden state", seen["norm"][0][:, 1:], reference["train.action_hidden"], HIDDEN)
    yield close(group, "velocity", velocity, reference["train.velocity"], ACTION)
    yield close(group, "loss", loss, reference["train.loss"], ACTION)
    yield from _gradients(case)
    model.zero_grad(set_to_none=True)


def _time(case: PolicyCase, t_B: torch.Tensor) -> torch.Tensor:
    return time_embedding(t_B, case.model.config.expert.hidden_size, case.model.config.time_max_period)


def _gradients(case: PolicyCase) -> Iterator[Check]:
    """The stored gradients element by element, and the norm of every other one."""
    group, parameters = f"{case.name} gradients", dict(case.model.named_parameters())

    def gradient(name: str) -> torch.Tensor | None:
        name = name.replace("mixtures.proprio.", "mixtures.action.")
        parts = [parameters[target].grad for target in target_names(name, PREFIXES)]
        return None if not parts or any(part is None for part in parts) else torch.cat(parts)

    for key in case.outputs:
        if key.startswith("grad."):
            name = key.removeprefix("grad.")
            yield close(group, name, torch.tensor(float("nan")) if gradient(name) is None else gradient(name), case.outputs[key], HIDDEN)
    for name, norm in case.facts["grad_norms"].items():
        ours = gradient(name)
        if norm is None or ours is None:
            # Both sides must agree that nothing flows; upstream's unread copies have no gradient either.
            size = 0.0 if ours is None else float(ours.norm())
            yield close(group, f"norm of {name}", size, norm or 0.0, 1e-8)
        else:
            yield close(group, f"relative norm of {name}", ours.norm() / max(norm, 1e-3), norm / max(norm, 1e-3), 1e-4)


def _inference(case: PolicyCase) -> Iterator[Check]:
    group, model, reference = f"{case.name} inference", case.model, case.outputs
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
    yield close(group, "noise", xs[0], reference["infer.x0"], 0.0)
    for index in range(len(model.expert.layers)):
        hidden = seen[f"layer{index}"][0]
        yield close(group, f"step 0, layer {index}, actions", hidden[:, 1:], reference[f"infer.step0.layer{index}.action"], HIDDEN)
        if (key := f"infer.prefill.layer{index}.proprio") in reference:  # not kept for the last layer
            yield close(group, f"layer {index}, state", hidden[:, :1], reference[key], HIDDEN)
    for step in range(model.config.flow_steps):
        name = f"infer.step{step}"
        yield close(group, f"step {step}, t", ts[step], reference[f"{name}.t"], 1e-6)
        yield close(group, f"step {step}, time embedding", _time(case, ts[step]), reference[f"{name}.time_cond"], 1e-6)
        yield close(group, f"step {step}, x", xs[step], reference[f"{name}.x_in"], ACTION)
        yield close(group, f"step {step}, tokens", seen["tokens"][step], reference[f"{name}.action_embeds"], HIDDEN)
        yield close(group, f"step {step}, hidden", seen["norm"][step][:, 1:], reference[f"{name}.action_hidden"], HIDDEN)
        yield close(group, f"step {step}, velocity", velocities[step], reference[f"{name}.velocity"], ACTION)
    yield close(group, "actions before the clip", actions, reference["infer.actions_unclamped"], ACTION)
    sampled = model.sample(case.prefix(), case.proprio, case.inputs["x0_infer"])
    yield close(group, "actions", sampled, reference["infer.actions"], ACTION)
