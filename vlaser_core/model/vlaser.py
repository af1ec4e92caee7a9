"""Backbone and action expert, joined.

The expert is a second, narrower Qwen2 of the backbone's depth and head layout. Its tokens — one state token, H action
tokens — attend to the backbone's keys and values layer by layer, and to themselves. So the backbone runs once over
picture and instruction, and the flow is integrated through the expert alone:

    prefix = model.prefix(input_ids_BT, mask_BT, pixels)             # the backbone's keys and values
    actions_BHA = model.sample(prefix, proprio_BP, noise_BHA)        # normalised, clipped to ±1

Positions count from 1 in each block separately (prefix 1…T, state 1, actions 2…H+1); the prefix is bidirectional.
"""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature

import torch
from torch import nn
from transformers import DynamicCache, InternVLForConditionalGeneration, Qwen2Model

from vlaser_core.model.config import VlaserConfig
from vlaser_core.model.encodings import ActionEncoder
from vlaser_core.model.flow import Method, integrate

# The argument that takes a cache of keys and values; transformers renames it in the course of version 5.
CACHE = "cache" if "cache" in signature(Qwen2Model.forward).parameters else "past_key_values"


@dataclass(frozen=True)
class Prefix:
    """The backbone's view of picture and instruction: per layer keys and values (B, kv_heads, T, head_dim) after RoPE,
    and which of the T tokens are real (B, T)."""

    keys: tuple[torch.Tensor, ...]
    values: tuple[torch.Tensor, ...]
    mask_BT: torch.Tensor

    def repeat(self, times: int) -> Prefix:
        """Each row `times` times in a row: several flow times for one view."""
        return Prefix(
            tuple(k.repeat_interleave(times, 0) for k in self.keys),
            tuple(v.repeat_interleave(times, 0) for v in self.values),
            self.mask_BT.repeat_interleave(times, 0),
        )


class _PrefixCache:
    """A cache for Qwen2's attention that is read and never written: the prefix stays as it is over all flow steps."""

    def __init__(self, prefix: Prefix) -> None:
        self._prefix = prefix

    def update(self, keys: torch.Tensor, values: torch.Tensor, layer: int, *_, **__) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.cat([self._prefix.keys[layer], keys], dim=2), torch.cat([self._prefix.values[layer], values], dim=2)

    def get_seq_length(self, *_) -> int:
        """Asked for by earlier versions of transformers 5."""
        return self._prefix.mask_BT.shape[1]


class Vlaser(nn.Module):
    """The vision-language-action model. `image_token_id`: the tokenizer's id of <IMG_CONTEXT>.

    Without an expert in its config it has the backbone alone: it reasons, and has none of the expert's modules.
    """

    def __init__(self, config: VlaserConfig, image_token_id: int) -> None:
        super().__init__()
        self.config = config
        self.image_token_id = image_token_id
        self.backbone = InternVLForConditionalGeneration(config.backbone_config(image_token_id))
        if config.expert is None:
            return
        self.expert = Qwen2Model(config.expert_config())
        self.expert.embed_tokens = None  # its tokens come from the two encoders below
        width = config.expert.hidden_size
        self.proprio_encoder = nn.Linear(config.proprio_dim, width)
        self.action_encoder = ActionEncoder(config.action_dim, width, config.time_max_period, config.tables == "bfloat16")
        self.action_decoder = nn.Linear(width, config.action_dim)

    @property
    def dtype(self) -> torch.dtype:
        return self.backbone.get_input_embeddings().weight.dtype

    @property
    def device(self) -> torch.device:
        return self.backbone.get_input_embeddings().weight.device

    def expert_parameters(self) -> list[nn.Parameter]:
        """What stage 2 trains in any case: the expert, both encoders and the decoder."""
        modules = (self.expert, self.proprio_encoder, self.action_encoder, self.action_decoder)
        return [parameter for module in modules for parameter in module.parameters()]

    def image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Projected picture tokens (N, image_tokens, width) of pixels (N, 3, S, S), normalised with ImageNet's mean and std."""
        return self.backbone.model.get_image_features(pixels.to(self.dtype), return_dict=True).pooler_output

    def embed(self, input_ids_BT: torch.Tensor, pixels: torch.Tensor | None) -> torch.Tensor:
        """Token embeddings (B, T, width) with picture tokens in their places, row by row, picture by picture."""
        return self.place(input_ids_BT, None if pixels is None else self.image_features(pixels))

    def place(self, input_ids_BT: torch.Tensor, features: torch.Tensor | None) -> torch.Tensor:
        """As `embed`, of picture tokens (N, image_tokens, width) that are computed already."""
        embeds = self.backbone.get_input_embeddings()(input_ids_BT)
        places = input_ids_BT == self.image_token_id
        count = int(places.sum())
        if features is None:
            if count:
                raise ValueError(f"the prompt has {count} picture tokens but no picture was given")
            return embeds
        if count != features.shape[0] * features.shape[1]:
            raise ValueError(f"the prompt has {count} picture tokens, the pictures fill {features.shape[0] * features.shape[1]}")
        return embeds.masked_scatter(places[..., None], features.to(embeds.dtype).reshape(-1, features.shape[-1]))

    def prefix(self, input_ids_BT: torch.Tensor, mask_BT: torch.Tensor, pixels: torch.Tensor) -> Prefix:
        """Run the backbone once, bidirectionally, over right-padded prompts. mask: True where a token is real."""
        mask_BT = mask_BT.bool()
        cache = DynamicCache()
        self.backbone.model.language_model(
            inputs_embeds=self.embed(input_ids_BT, pixels),
            # Padded queries may look at real keys: nobody reads them, and a row without any key would be NaN.
            attention_mask={"full_attention": mask_BT[:, None, None, :].expand(-1, 1, mask_BT.shape[1], -1)},
            position_ids=torch.arange(1, input_ids_BT.shape[1] + 1, device=input_ids_BT.device)[None],
            use_cache=True,
            **{CACHE: cache},
        )
        return Prefix(tuple(layer.keys for layer in cache.layers), tuple(layer.values for layer in cache.layers), mask_BT)

    def expert_mask(self, mask_BT: torch.Tensor) -> torch.Tensor:
        """Who may look at whom, (B, 1, 1+H, T+1+H): all at real prefix tokens; the state at itself; actions at everything."""
        horizon = self.config.horizon
        suffix = torch.ones(1 + horizon, 1 + horizon, dtype=torch.bool, device=mask_BT.device)
        suffix[0, 1:] = False
        batch = mask_BT.shape[0]
        return torch.cat(
            [mask_BT[:, None, None, :].expand(batch, 1, 1 + horizon, -1), suffix.expand(batch, 1, -1, -1)],
            dim=-1,
        )

    def velocity(self, prefix: Prefix, proprio_BP: torch.Tensor, x_BHA: torch.Tensor, t_B: torch.Tensor) -> torch.Tensor:
        """The field (B, H, A) at noisy actions x and times t, for normalised proprioception."""
        tokens = torch.cat([self.proprio_encoder(proprio_BP)[:, None], self.action_encoder(x_BHA, t_B)], dim=1)
        hidden = self.expert(
            inputs_embeds=tokens,
            attention_mask={"full_attention": self.expert_mask(prefix.mask_BT)},
            position_ids=torch.arange(1, tokens.shape[1] + 1, device=tokens.device)[None],
            use_cache=False,
            **{CACHE: _PrefixCache(prefix)},
        ).last_hidden_state
        return self.action_decoder(hidden[:, 1:])

    @torch.inference_mode()
    def sample(
        self, prefix: Prefix, proprio_BP: torch.Tensor, noise_BHA: torch.Tensor, steps: int | None = None, method: Method = "euler"
    ) -> torch.Tensor:
        """Normalised actions (B, H, A) in ±action_clip, from noise by `steps` flow steps (the config's number by default).

        Raises InputError for steps < 1 or an unknown method.
        """
        steps = self.config.flow_steps if steps is None else steps
        actions = integrate(lambda x, t: self.velocity(prefix, proprio_BP, x, t), noise_BHA, steps, method)
        return actions.clamp(-self.config.action_clip, self.config.action_clip)

    def language(
        self, input_ids_BL: torch.Tensor, mask_BL: torch.Tensor, pixels: torch.Tensor | None, prefix_lengths_B: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Hidden states (B, L, width) for next-token prediction over right-padded sequences.

        Causal as InternVL is; where `prefix_lengths` is given, a row's first tokens see each other both ways, the way
        the policy reads its prompt, so that what is learned about a prompt is what the expert will find in the cache.
        """
        length = input_ids_BL.shape[1]
        order = torch.arange(length, device=input_ids_BL.device)
        allowed = (order[None, :] <= order[:, None]).expand(len(input_ids_BL), -1, -1)
        if prefix_lengths_B is not None:
            allowed = allowed | (order[None, None, :] < prefix_lengths_B[:, None, None])
        # The first token stays visible, or padded rows of a sequence would have nothing to look at.
        allowed = allowed & (mask_BL.bool()[:, None, :] | (order[None, None, :] == 0))
        return self.backbone.model.language_model(
            inputs_embeds=self.embed(input_ids_BL, pixels),
            attention_mask={"full_attention": allowed[:, None]},
            position_ids=order[None],
            use_cache=False,
        ).last_hidden_state
