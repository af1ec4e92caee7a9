"""The published models written a second time, plainly and from their description alone.

Nothing here uses transformers or the project's own network: what it computes can disagree with them.
"""

from __future__ import annotations

import math

import torch
from torch.nn.functional import gelu, layer_norm, linear, silu

State = dict[str, torch.Tensor]
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
HEAD, PATCH, VOCABULARY, PAD, IMAGE = 128, 14, 90, 7, 11
VISION = {"width": 32, "mlp": 48, "layers": 2, "heads": 2}
TEXT = {"hidden": 48, "mlp": 64, "layers": 3, "heads": 2, "kv": 1}


def draw(shapes: dict[str, tuple[int, ...]], generator: torch.Generator) -> State:
    """Matrices that keep the size of what passes through them, norms about one, biases and layer scales that matter."""
    state = {}
    for name, shape in shapes.items():
        values = torch.randn(shape, generator=generator)
        if len(shape) == 1:
            state[name] = 0.2 * values + (1.0 if "norm" in name and name.endswith("weight") or name.endswith(("ls1", "ls2")) else 0.0)
        else:
            state[name] = 0.5 * values if name.endswith(("embed_tokens.weight", "_embedding")) else values / math.sqrt(math.prod(shape[1:]))
    return state


def vision_shapes(tower: str, projector: str, side: int) -> dict[str, tuple[int, ...]]:
    width, mlp = VISION["width"], VISION["mlp"]
    shapes = {
        f"{tower}embeddings.class_embedding": (1, 1, width), f"{tower}embeddings.position_embedding": (1, (side // PATCH) ** 2 + 1, width),
        f"{tower}embeddings.patch_embedding.weight": (width, 3, PATCH, PATCH), f"{tower}embeddings.patch_embedding.bias": (width,),
        f"{projector}0.weight": (4 * width,), f"{projector}0.bias": (4 * width,), f"{projector}1.weight": (TEXT["hidden"], 4 * width),
        f"{projector}1.bias": (TEXT["hidden"],), f"{projector}3.weight": (TEXT["hidden"],) * 2, f"{projector}3.bias": (TEXT["hidden"],),
    }  # fmt: skip
    inner = {
        "ls1": (width,), "ls2": (width,), "attn.qkv.weight": (3 * width, width), "attn.qkv.bias": (3 * width,), "attn.proj.weight": (width, width),
        "attn.proj.bias": (width,), "mlp.fc1.weight": (mlp, width), "mlp.fc1.bias": (mlp,), "mlp.fc2.weight": (width, mlp), "mlp.fc2.bias": (width,),
        "norm1.weight": (width,), "norm1.bias": (width,), "norm2.weight": (width,), "norm2.bias": (width,),
    }  # fmt: skip
    return shapes | {f"{tower}encoder.layers.{i}.{name}": shape for i in range(VISION["layers"]) for name, shape in inner.items()}


def block_shapes(prefix: str, width: int, mlp: int) -> dict[str, tuple[int, ...]]:
    q, kv = TEXT["heads"] * HEAD, TEXT["kv"] * HEAD
    inner = {
        "self_attn.q_proj.weight": (q, width), "self_attn.q_proj.bias": (q,), "self_attn.k_proj.weight": (kv, width), "self_attn.k_proj.bias": (kv,),
        "self_attn.v_proj.weight": (kv, width), "self_attn.v_proj.bias": (kv,), "self_attn.o_proj.weight": (width, q),
        "mlp.gate_proj.weight": (mlp, width), "mlp.up_proj.weight": (mlp, width), "mlp.down_proj.weight": (width, mlp),
        "input_layernorm.weight": (width,), "post_attention_layernorm.weight": (width,),
    }  # fmt: skip
    return {f"{prefix}layers.{i}.{name}": shape for i in range(TEXT["layers"]) for name, shape in inner.items()} | {
        f"{prefix}norm.weight": (width,)
    }


def see(state: State, tower: str, pixels: torch.Tensor) -> torch.Tensor:
    """Last hidden states (N, 1 + patches, width), the class token first."""
    grid, width = pixels.shape[-1] // PATCH, VISION["width"]
    patches = pixels.unfold(2, PATCH, PATCH).unfold(3, PATCH, PATCH).permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
    x = linear(patches, state[f"{tower}embeddings.patch_embedding.weight"].flatten(1), state[f"{tower}embeddings.patch_embedding.bias"])
    table = state[f"{tower}embeddings.position_embedding"]
    if table.shape[1] != grid * grid + 1:
        old = math.isqrt(table.shape[1] - 1)
        square = table[:, 1:].reshape(1, old, old, width).permute(0, 3, 1, 2)
        square = torch.nn.functional.interpolate(square, size=(grid, grid), mode="bicubic", align_corners=False)
        table = torch.cat([table[:, :1], square.permute(0, 2, 3, 1).reshape(1, grid * grid, width)], dim=1)
    x = torch.cat([state[f"{tower}embeddings.class_embedding"].expand(len(x), -1, -1), x], dim=1) + table
    for index in range(VISION["layers"]):
        part = {
            name.split(f"layers.{index}.")[1]: tensor
            for name, tensor in state.items()
            if name.startswith(f"{tower}encoder.layers.{index}.")
        }
        h = linear(layer_norm(x, (width,), part["norm1.weight"], part["norm1.bias"], 1e-6), part["attn.qkv.weight"], part["attn.qkv.bias"])
        q, k, v = (each.unflatten(-1, (VISION["heads"], -1)).transpose(1, 2) for each in h.chunk(3, dim=-1))
        weights = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1)
        x = x + part["ls1"] * linear((weights @ v).transpose(1, 2).flatten(2), part["attn.proj.weight"], part["attn.proj.bias"])
        h = gelu(
            linear(layer_norm(x, (width,), part["norm2.weight"], part["norm2.bias"], 1e-6), part["mlp.fc1.weight"], part["mlp.fc1.bias"])
        )
        x = x + part["ls2"] * linear(h, part["mlp.fc2.weight"], part["mlp.fc2.bias"])
    return x


def project(state: State, name: str, hidden: torch.Tensor) -> torch.Tensor:
    """Picture tokens (N, g, g, hidden): four neighbours become one, upper left, upper right, lower left, lower right."""
    grid = math.isqrt(hidden.shape[1] - 1)
    x = hidden[:, 1:].reshape(len(hidden), grid, grid, -1)
    x = torch.cat([x[:, 0::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 0::2], x[:, 1::2, 1::2]], dim=-1)
    x = layer_norm(x, x.shape[-1:], state[f"{name}0.weight"], state[f"{name}0.bias"], 1e-5)
    return linear(gelu(linear(x, state[f"{name}1.weight"], state[f"{name}1.bias"])), state[f"{name}3.weight"], state[f"{name}3.bias"])


def rms(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return weight * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)


def rotary(ids: torch.Tensor, base: float) -> tuple[torch.Tensor, torch.Tensor]:
    angles = ids[..., None].float() * (1.0 / base ** (torch.arange(0, HEAD, 2).float() / HEAD))
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def turn(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * cos[:, None] + torch.cat([-second, first], dim=-1) * sin[:, None]


def think(
    state: State, homes: dict[str, str], blocks: State, positions: State, allowed: torch.Tensor, base: float
) -> tuple[list[State], list[State]]:
    """Blocks of tokens, each with weights of its own, in one attention over all of them. allowed: (B, S, S).

    Returns each layer's outputs by block, and its keys and values under `k.block` and `v.block`.
    """
    outputs, caches = [], []
    for index in range(TEXT["layers"]):
        queries, cache = [], {}
        for block, x in blocks.items():
            layer = f"{homes[block]}layers.{index}."
            h, tables = rms(x, state[f"{layer}input_layernorm.weight"]), rotary(positions[block], base)
            q, k, v = (
                linear(h, state[f"{layer}self_attn.{n}_proj.weight"], state[f"{layer}self_attn.{n}_proj.bias"])
                .unflatten(-1, (-1, HEAD))
                .transpose(1, 2)
                for n in "qkv"
            )
            queries.append(turn(q, *tables))
            cache |= {f"k.{block}": turn(k, *tables), f"v.{block}": v}
        q, k, v = torch.cat(queries, 2), *(torch.cat([cache[f"{n}.{block}"] for block in blocks], 2) for n in "kv")
        repeat = TEXT["heads"] // TEXT["kv"]
        scores = q @ k.repeat_interleave(repeat, 1).transpose(-1, -2) / math.sqrt(HEAD)
        weights = (scores + torch.where(allowed, 0.0, torch.finfo(torch.float32).min)[:, None]).softmax(-1)
        mixed = (weights @ v.repeat_interleave(repeat, 1)).transpose(1, 2).flatten(2).split([x.shape[1] for x in blocks.values()], dim=1)
        blocks = {
            block: feed(
                state, f"{homes[block]}layers.{index}.", x + linear(part, state[f"{homes[block]}layers.{index}.self_attn.o_proj.weight"])
            )
            for (block, x), part in zip(blocks.items(), mixed, strict=True)
        }
        outputs.append(blocks)
        caches.append(cache)
    return outputs, caches


def feed(state: State, layer: str, x: torch.Tensor) -> torch.Tensor:
    h = rms(x, state[f"{layer}post_attention_layernorm.weight"])
    return x + linear(
        silu(linear(h, state[f"{layer}mlp.gate_proj.weight"])) * linear(h, state[f"{layer}mlp.up_proj.weight"]),
        state[f"{layer}mlp.down_proj.weight"],
    )


def embed(table: torch.Tensor, ids: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """Zeros where padding stands, picture tokens where pictures stand, in the order they come."""
    x = torch.where(((ids != PAD) & (ids != IMAGE))[..., None], table[ids], 0.0)
    return x.masked_scatter((ids == IMAGE)[..., None], features)


def causal(valid: torch.Tensor) -> torch.Tensor:
    order = torch.arange(valid.shape[1])
    return (order[None, :] <= order[:, None])[None] & valid[:, None, :]
