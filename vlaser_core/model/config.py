"""Sizes and constants of a model: one frozen dataclass, the same for nano, 2B and 8B."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Literal

from pydantic import ConfigDict
from transformers import InternVLConfig, InternVLVisionConfig, Qwen2Config

from vlaser_core.embodiment import validate
from vlaser_core.errors import ConfigError


@dataclass(frozen=True)
class VisionSize:
    """InternViT: square pictures of `image_size` pixels in patches of `patch_size`."""

    __pydantic_config__ = ConfigDict(extra="forbid")
    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    image_size: int
    patch_size: int
    layer_scale: float = 0.1


@dataclass(frozen=True)
class TextSize:
    """Qwen2 backbone. head_dim is given, not derived: the action expert shares it at another width."""

    __pydantic_config__ = ConfigDict(extra="forbid")
    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab_size: int
    max_positions: int = 32768
    rope_theta: float = 1_000_000.0
    rms_norm_eps: float = 1e-6
    tie_embeddings: bool = False


@dataclass(frozen=True)
class ExpertSize:
    """Action expert: the text backbone's depth and heads, at its own width."""

    __pydantic_config__ = ConfigDict(extra="forbid")
    hidden_size: int
    intermediate_size: int


@dataclass(frozen=True)
class VlaserConfig:
    """A whole model. flow_sigma, time_max_period, horizon: constants the weights depend on.

    time_max_period: slowest period of the time embedding; 10 000 (Bridge) or 100 (Fractal). resample: how pictures
    are stretched to the square, `lanczos4` upstream, `area` where pictures shrink a lot. tables: of rotary and time
    frequencies; upstream evaluates with exact ones and trained in half precision, which rounds them to `bfloat16`. chat_system: the system text
    of reasoning prompts, `internvl` (the sentence InternVL3 was tuned with) or `none`; question_style: which wordings
    of `reasoning.prompts` the model was trained to answer. max_tiles: into how many squares a chat picture may be cut,
    the thumbnail not counted (the policy's picture is never cut). attention: how the model learned to read a question, `causal`
    as InternVL, or `prefix`: picture and prompt see each other both ways, as the policy reads its own. views: through how many of
    the robot's cameras the policy looks, in the contract's order. token_ids: ids of the special tokens the weights were
    trained with; written with the checkpoint, empty before. expert is None, and its sizes 0, for a model that only reasons.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    name: str
    vision: VisionSize
    text: TextSize
    expert: ExpertSize | None
    horizon: int
    action_dim: int
    proprio_dim: int
    time_max_period: float = 10_000.0
    flow_sigma: float = 0.001
    flow_steps: int = 10
    action_clip: float = 1.0
    max_prompt_tokens: int = 384
    resample: Literal["lanczos4", "area"] = "lanczos4"
    tables: Literal["exact", "bfloat16"] = "exact"
    chat_system: Literal["internvl", "none"] = "internvl"
    question_style: Literal["internvl", "compact"] = "internvl"
    max_tiles: int = 1
    attention: Literal["causal", "prefix"] = "causal"
    views: int = 1
    token_ids: dict[str, int] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for part, sizes in (("vision", self.vision), ("text", self.text), ("expert", self.expert)):
            for name, value in vars(sizes).items() if sizes else ():
                if value <= 0 and not isinstance(value, bool):
                    raise ValueError(f"{name} of {part} must be above 0, got {value}")
        if min(self.flow_steps, self.max_prompt_tokens) < 1 or not self.time_max_period >= 1.0:
            raise ValueError(
                "flow_steps, max_prompt_tokens and time_max_period are at least 1, "
                f"got {self.flow_steps}, {self.max_prompt_tokens} and {self.time_max_period}"
            )
        if self.vision.hidden_size % self.vision.heads:
            raise ValueError(f"a vision tower {self.vision.hidden_size} wide cannot be shared evenly by {self.vision.heads} heads")
        if self.vision.image_size % (2 * self.vision.patch_size):
            raise ValueError(f"image_size {self.vision.image_size} is not a multiple of twice the patch size {self.vision.patch_size}")
        if self.text.heads % self.text.kv_heads:
            raise ValueError(f"{self.text.heads} heads cannot share {self.text.kv_heads} key/value heads evenly")
        if min(self.max_tiles, self.views) < 1:
            raise ValueError(f"a picture takes at least 1 tile and a policy 1 view, got max_tiles {self.max_tiles} and views {self.views}")
        if self.expert is None and (self.horizon, self.action_dim, self.proprio_dim) != (0, 0, 0):
            raise ValueError("without an action expert, horizon, action_dim and proprio_dim are 0")
        if self.expert is not None and min(self.horizon, self.action_dim, self.proprio_dim) < 1:
            raise ValueError("an action expert has at least one step, one action and one state value")
        if self.expert is not None and self.expert.hidden_size % 2:
            raise ValueError(f"expert width {self.expert.hidden_size} must be even (half sine, half cosine)")

    @property
    def image_tokens(self) -> int:
        """Tokens one picture takes in the prompt, after the 2 × 2 pixel shuffle."""
        return (self.vision.image_size // self.vision.patch_size // 2) ** 2

    def to_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, content: object, where: str = "config.json") -> VlaserConfig:
        """Validated configuration. Raises ConfigError listing every fault with its key."""
        return validate(cls, content, where)

    def backbone_config(self, image_token_id: int) -> InternVLConfig:
        """The transformers configuration of the backbone."""
        vision, text = self.vision, self.text
        return InternVLConfig(
            vision_config=InternVLVisionConfig(
                hidden_size=vision.hidden_size,
                intermediate_size=vision.intermediate_size,
                num_hidden_layers=vision.layers,
                num_attention_heads=vision.heads,
                image_size=[vision.image_size, vision.image_size],
                patch_size=[vision.patch_size, vision.patch_size],
                attention_bias=True,
                use_qk_norm=False,
                norm_type="layer_norm",
                layer_norm_eps=1e-6,
                hidden_act="gelu",
                layer_scale_init_value=vision.layer_scale,
                use_mean_pooling=True,
                use_absolute_position_embeddings=True,
            ).to_dict(),
            text_config=self._qwen(text.hidden_size, text.intermediate_size, text.vocab_size).to_dict(),
            image_token_id=image_token_id,
            image_seq_length=self.image_tokens,
            downsample_ratio=0.5,
            projector_hidden_act="gelu",
            vision_feature_layer=-1,
            vision_feature_select_strategy="default",
            tie_word_embeddings=text.tie_embeddings,
        )

    def expert_config(self) -> Qwen2Config:
        """The action expert as a narrow Qwen2; its own vocabulary is unused (one row). Raises ConfigError without an expert."""
        if self.expert is None:
            raise ConfigError(f"model {self.name!r} has no action expert")
        return self._qwen(self.expert.hidden_size, self.expert.intermediate_size, 1)

    def _qwen(self, hidden_size: int, intermediate_size: int, vocab_size: int) -> Qwen2Config:
        text = self.text
        return Qwen2Config(
            vocab_size=vocab_size,
            hidden_size=hidden_size,
            intermediate_size=intermediate_size,
            num_hidden_layers=text.layers,
            num_attention_heads=text.heads,
            num_key_value_heads=text.kv_heads,
            head_dim=text.head_dim,
            max_position_embeddings=text.max_positions,
            rms_norm_eps=text.rms_norm_eps,
            # The published configs ask for dynamic scaling with factor 2, which is the identity up to 32 768 positions.
            rope_parameters={"rope_type": "default", "rope_theta": text.rope_theta},
            hidden_act="silu",
            attention_dropout=0.0,
            use_sliding_window=False,
            tie_word_embeddings=text.tie_embeddings,
            pad_token_id=None,
        )


CHAT_TILES = 12  # what InternVL3 was tuned with
_INTERNVIT_300M = VisionSize(hidden_size=1024, intermediate_size=4096, layers=24, heads=16, image_size=448, patch_size=14)


def nano(vocab_size: int, horizon: int = 4, action_dim: int = 7, proprio_dim: int = 7) -> VlaserConfig:
    """A few million parameters: runs and trains on a laptop's CPU."""
    return VlaserConfig(
        name="nano",
        vision=VisionSize(hidden_size=128, intermediate_size=512, layers=4, heads=4, image_size=128, patch_size=16, layer_scale=1.0),
        text=TextSize(
            128,
            256,
            layers=4,
            heads=4,
            kv_heads=4,
            head_dim=32,
            vocab_size=vocab_size,
            max_positions=4096,
            rope_theta=10_000.0,
            tie_embeddings=True,
        ),
        expert=ExpertSize(hidden_size=96, intermediate_size=288),
        horizon=horizon,
        action_dim=action_dim,
        proprio_dim=proprio_dim,
        time_max_period=100.0,
        resample="area",
        chat_system="none",
        question_style="compact",
    )


def vlaser_2b(
    vocab_size: int = 151_930, horizon: int = 4, action_dim: int = 7, proprio_dim: int = 7, expert_mlp: int = 8960
) -> VlaserConfig:
    """InternVL3-2B with upstream's expert (MLP 8960; 4096 in one of its variants)."""
    text = TextSize(1536, 8960, layers=28, heads=12, kv_heads=2, head_dim=128, vocab_size=vocab_size)
    return VlaserConfig("2b", _INTERNVIT_300M, text, ExpertSize(768, expert_mlp), horizon, action_dim, proprio_dim, max_tiles=CHAT_TILES)


def vlaser_8b(vocab_size: int = 151_930, horizon: int = 4, action_dim: int = 7, proprio_dim: int = 7) -> VlaserConfig:
    """InternVL3-8B with upstream's expert."""
    text = TextSize(3584, 18944, layers=28, heads=28, kv_heads=4, head_dim=128, vocab_size=vocab_size)
    return VlaserConfig("8b", _INTERNVIT_300M, text, ExpertSize(768, 5600), horizon, action_dim, proprio_dim, max_tiles=CHAT_TILES)


SIZES = {"nano": nano, "2b": vlaser_2b, "8b": vlaser_8b}


def size(name: str, **arguments) -> VlaserConfig:
    """The configuration of a named size. Raises ConfigError naming the known ones."""
    if name not in SIZES:
        raise ConfigError(f"unknown model size {name!r}; known: {', '.join(SIZES)}")
    return SIZES[name](**arguments)
