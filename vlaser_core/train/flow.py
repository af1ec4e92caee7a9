"""Stage 2: flow-matching loss on action chunks (paper section 3.3).

With a frozen backbone the prefix of a sample never changes, so `PrefixStore` computes it once and training reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vlaser_core.errors import InputError
from vlaser_core.model.flow import flow_loss, interpolate, sample_beta_times, target_velocity
from vlaser_core.model.vlaser import Prefix, Vlaser
from vlaser_core.train.loop import save_atomically


@dataclass(frozen=True)
class FlowSamples:
    """Normalised training samples: proprio (N, P), actions (N, H, A) float32, and which steps are real (N, H) bool."""

    proprio: torch.Tensor
    actions: torch.Tensor
    valid: torch.Tensor

    def __post_init__(self) -> None:
        if not (len(self.proprio) == len(self.actions) == len(self.valid)) or not len(self.proprio):
            raise InputError(f"flow samples need equal, non-zero counts; got {len(self.proprio)}, {len(self.actions)}, {len(self.valid)}")
        for name, values in (("proprio", self.proprio), ("actions", self.actions)):
            if not torch.isfinite(values).all():
                row = int((~torch.isfinite(values).flatten(1).all(1)).nonzero()[0])
                raise InputError(f"{name} of training sample {row} is not finite")

    def __len__(self) -> int:
        return len(self.proprio)


class PrefixStore:
    """Keys and values of many prefixes in half precision, filled batch by batch, read by index."""

    def __init__(self, count: int, model: Vlaser, tokens: int) -> None:
        text = model.config.text
        shape = (count, text.kv_heads, tokens, text.head_dim)
        self.keys = [torch.zeros(shape, dtype=torch.float16) for _ in range(text.layers)]
        self.values = [torch.zeros(shape, dtype=torch.float16) for _ in range(text.layers)]
        self.mask_NT = torch.zeros(count, tokens, dtype=torch.bool)

    @torch.inference_mode()
    def fill(self, model: Vlaser, rows: slice, ids_BT: torch.Tensor, mask_BT: torch.Tensor, pixels: torch.Tensor) -> None:
        """Compute and keep the prefixes of `rows`."""
        prefix = model.prefix(ids_BT, mask_BT, pixels)
        tokens = ids_BT.shape[1]
        if tokens > self.mask_NT.shape[1]:
            raise InputError(f"prefix of {tokens} tokens does not fit a store of {self.mask_NT.shape[1]}")
        for layer, (keys, values) in enumerate(zip(prefix.keys, prefix.values, strict=True)):
            self.keys[layer][rows, :, :tokens] = keys.half()
            self.values[layer][rows, :, :tokens] = values.half()
        self.mask_NT[rows, :tokens] = prefix.mask_BT

    def save(self, path: Path) -> None:
        """Keep the store on disk; `load` reads it back."""
        save_atomically({"keys": self.keys, "values": self.values, "mask": self.mask_NT}, path)

    def load(self, path: Path) -> None:
        """Fill the store from a file. Raises InputError when the file is of another shape."""
        stored = torch.load(path, weights_only=True, mmap=True)
        if stored["mask"].shape != self.mask_NT.shape or len(stored["keys"]) != len(self.keys) or stored["keys"][0].shape != self.keys[0].shape:
            raise InputError(f"{path} holds prefixes of shape {tuple(stored['keys'][0].shape)}, expected {tuple(self.keys[0].shape)}; delete it")
        for name, parts in (("keys", self.keys), ("values", self.values)):
            for mine, theirs in zip(parts, stored[name], strict=True):
                mine.copy_(theirs)
        self.mask_NT.copy_(stored["mask"])

    @classmethod
    def joined(cls, stores: list[PrefixStore]) -> PrefixStore:
        """Several stores of equal token counts, one after the other."""
        whole = cls.__new__(cls)
        whole.keys = [torch.cat(parts) for parts in zip(*(store.keys for store in stores), strict=True)]
        whole.values = [torch.cat(parts) for parts in zip(*(store.values for store in stores), strict=True)]
        whole.mask_NT = torch.cat([store.mask_NT for store in stores])
        return whole

    def read(self, rows: torch.Tensor, dtype: torch.dtype = torch.float32) -> Prefix:
        """The prefixes of `rows` (B,)."""
        return Prefix(
            tuple(keys[rows].to(dtype) for keys in self.keys),
            tuple(values[rows].to(dtype) for values in self.values),
            self.mask_NT[rows],
        )


def flow_matching_loss(
    model: Vlaser,
    prefix: Prefix,
    proprio_BP: torch.Tensor,
    actions_BHA: torch.Tensor,
    valid_BH: torch.Tensor | None,
    generator: torch.Generator,
    times_per_prefix: int = 1,
) -> torch.Tensor:
    """The loss on a batch of normalised chunks, each at `times_per_prefix` random flow times; seeded by `generator`."""
    if times_per_prefix > 1:
        prefix = prefix.repeat(times_per_prefix)
        proprio_BP = proprio_BP.repeat_interleave(times_per_prefix, 0)
        actions_BHA = actions_BHA.repeat_interleave(times_per_prefix, 0)
        valid_BH = None if valid_BH is None else valid_BH.repeat_interleave(times_per_prefix, 0)
    sigma = model.config.flow_sigma
    noise = torch.randn(actions_BHA.shape, generator=generator).to(actions_BHA)
    t_B = sample_beta_times(len(actions_BHA), generator).to(actions_BHA)
    velocity = model.velocity(prefix, proprio_BP, interpolate(noise, actions_BHA, t_B, sigma), t_B)
    return flow_loss(velocity, target_velocity(noise, actions_BHA, sigma), valid_BH)


def normalised_samples(proprio: np.ndarray, actions: np.ndarray, valid: np.ndarray | None = None) -> FlowSamples:
    """FlowSamples from already normalised arrays."""
    keep = np.ones(actions.shape[:2], dtype=bool) if valid is None else valid
    return FlowSamples(torch.from_numpy(proprio.astype(np.float32)), torch.from_numpy(actions.astype(np.float32)), torch.from_numpy(keep))
