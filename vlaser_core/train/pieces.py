"""A trained model as it is saved: in one piece and one type, whatever training had made of it."""

from __future__ import annotations

import torch

from vlaser_core.checkpoint.source import skeleton
from vlaser_core.model.vlaser import Vlaser
from vlaser_core.train.loop_config import LoopConfig
from vlaser_core.train.processes import whole


def in_one_piece(model: Vlaser, loop: LoopConfig) -> Vlaser:
    """The model in float32, or in bfloat16 where it was trained with any; gathered on the CPU where it was sharded, in which
    every process takes part."""
    wanted = torch.float32 if loop.precision == "float32" else torch.bfloat16
    if not loop.shard:
        for parameter in model.parameters():
            parameter.data = parameter.data.to(wanted)
        return model
    weights = {name: whole(tensor).to(wanted) for name, tensor in model.state_dict().items()}
    gathered = skeleton(model.config, model.image_token_id)
    gathered.load_state_dict(weights, assign=True)
    return gathered
