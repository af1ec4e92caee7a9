"""Which weights stage 2 trains: the action expert alone, the eyes as well, or everything.

The paper says the expert alone; upstream's script also trains the backbone. It is an experiment to run.
"""

from __future__ import annotations

from vlaser_core.errors import CheckpointError
from vlaser_core.model.vlaser import Vlaser
from vlaser_core.train.flow_recipe import Trained

# Of the last text layer only keys and values reach the expert; nothing behind them can have a gradient.
_BEHIND_THE_LAST_KEYS = ("self_attn.q_proj", "self_attn.o_proj", "mlp.", "post_attention_layernorm")


def choose(model: Vlaser, trained: Trained) -> None:
    """Let what is trained require a gradient, and nothing else. Raises CheckpointError for a model without an expert."""
    if model.config.expert is None:
        raise CheckpointError(f"model {model.config.name!r} only reasons; stage 2 needs an action expert (expert: new)")
    model.requires_grad_(False)
    for parameter in model.expert_parameters():
        parameter.requires_grad_(True)
    if trained == "expert":
        return
    backbone = model.backbone.model
    backbone.vision_tower.requires_grad_(True)
    backbone.multi_modal_projector.requires_grad_(True)
    if trained == "all":
        layers = backbone.language_model.layers
        layers.requires_grad_(True)
        for name, parameter in layers[-1].named_parameters():
            if name.startswith(_BEHIND_THE_LAST_KEYS):
                parameter.requires_grad_(False)
