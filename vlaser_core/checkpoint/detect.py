"""Which of the four layouts a path holds, and the checkpoint in it.

checkpoint = open_checkpoint(Path("Vlaser-2B"))                                  # reasons only
checkpoint = open_checkpoint(Path("vlaser.pt"), embodiment=..., statistics=..., tokenizer=Path("InternVL3-2B"))
"""

from __future__ import annotations

from pathlib import Path

import torch

from vlaser_core.checkpoint.folder import Checkpoint, check_robot, folder_source, load_checkpoint, tokenizer_of
from vlaser_core.checkpoint.internvl_chat import chat_source, read_json
from vlaser_core.checkpoint.internvl_hf import hf_source
from vlaser_core.checkpoint.source import Layout, Source, build
from vlaser_core.checkpoint.tensors import SUFFIXES
from vlaser_core.checkpoint.upstream import upstream_source
from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import CheckpointError
from vlaser_core.model.config import ExpertSize
from vlaser_core.processing.normalization import Statistics
from vlaser_core.processing.tokenizer import IMAGE

# Upstream's action experts by the backbone's width (the paper's two sizes).
_EXPERTS = {1536: ExpertSize(768, 8960), 3584: ExpertSize(768, 5600)}
_EXPERT_CONSTANTS = ("time_max_period", "flow_steps", "flow_sigma", "max_prompt_tokens", "tables")


def layout_of(path: Path) -> Layout:
    """The layout at `path`, from its name and config.json alone. Raises CheckpointError describing what is known."""
    if path.is_file() and path.suffix in SUFFIXES:
        return "upstream"
    if path.is_file():
        raise CheckpointError(f"{path} is no checkpoint: name a folder, or upstream's file ({', '.join(SUFFIXES)})")
    if not path.is_dir():
        raise CheckpointError(f"there is no checkpoint folder at {path}")
    if (path / "projector.pth").is_file():
        raise CheckpointError(
            f"{path} is the RoboTwin variant (projector.pth): an L1-regression model without flow matching, which is not loaded"
        )
    if not (path / "config.json").is_file():
        if (path / "model.safetensors").is_file():
            return "vlaser"  # of ours, and told so by what it lacks
        raise CheckpointError(f"{path} has no config.json; name a folder (ours, InternVL-chat, InternVL-hf) or upstream's .pt file itself")
    config = read_json(path / "config.json")
    kind = config.get("model_type")
    if kind in ("internvl_chat", "internvl"):
        return "internvl_chat" if kind == "internvl_chat" else "internvl_hf"
    if kind is None:
        return "vlaser"
    raise CheckpointError(f"{path / 'config.json'} is of model_type {kind!r}; known are internvl_chat, internvl, and this project's own")


def open_source(path: Path, **constants) -> Source:
    """Sizes, tensors and their places, without reading weights. constants: of `upstream.infer_config`, for upstream's file only.

    Raises CheckpointError naming file and key of what is wrong.
    """
    layout = layout_of(path)
    if layout != "upstream" and constants:
        raise CheckpointError(f"{path} states its own {', '.join(constants)}; these are given for upstream's .pt only")
    opener = {"vlaser": folder_source, "internvl_chat": chat_source, "internvl_hf": hf_source, "upstream": upstream_source}[layout]
    try:
        return opener(path, **constants)
    except ValueError as error:  # sizes that no model can have
        raise CheckpointError(f"{path}: {error}") from error


def open_checkpoint(
    path: Path | str,
    *,
    device: str = "cpu",
    dtype: torch.dtype | None = None,
    tokenizer: Path | None = None,
    embodiment: Embodiment | None = None,
    statistics: Statistics | None = None,
    new_expert: bool = False,
    expert: ExpertSize | None = None,
    seed: int = 0,
    **constants,
) -> Checkpoint:
    """The checkpoint at `path`, in whichever layout. A model that only reasons comes without a robot.

    dtype: as stored when None. tokenizer: a folder; the checkpoint's own (for a file, the one beside it) when None.
    embodiment, statistics: the robot of an upstream policy or of a new expert; our own folders carry theirs.
    new_expert: give a chat model an action expert that has learned nothing, of size `expert` (upstream's when None).
    constants: for an upstream policy those of `upstream.infer_config`, for a new expert fields of VlaserConfig.
    Raises CheckpointError naming what is missing, damaged, of another shape, or another robot's.
    """
    path = Path(path)
    layout = layout_of(path)
    if layout == "vlaser":
        if embodiment or statistics or tokenizer or new_expert or constants:
            raise CheckpointError(f"{path} is a checkpoint of this project and carries its own robot, statistics, tokenizer and constants")
        return load_checkpoint(path, device, dtype)
    if layout == "upstream":
        constants = {"horizon": embodiment.action.horizon, **constants} if embodiment else constants
        source = open_source(path, **constants)
    else:
        source = open_source(path)
        if new_expert:
            source = _with_expert(source, embodiment, expert, constants)
        elif constants:
            raise CheckpointError(f"{path} has no action expert, so {', '.join(constants)} would have no effect; see new_expert")
    if new_expert and layout == "upstream":
        raise CheckpointError(f"{path} has an action expert already; a new one is for checkpoints that only reason")
    if source.config.expert is None:
        if embodiment or statistics:
            raise CheckpointError(
                f"{path} only reasons: it has no action expert that could drive a robot; leave the robot out, or ask for a new expert"
            )
    elif embodiment is None or statistics is None:
        raise CheckpointError(
            f"{path} is a policy: name the robot it drives and the statistics of its data, which this layout does not carry "
            "(vlaser convert --embodiment --statistics makes a folder that does)"
        )
    else:
        check_robot(source.config, embodiment, str(path))
        statistics.check(embodiment, "the given statistics")
    loaded = tokenizer_of(source, tokenizer)
    return Checkpoint(
        build(source, loaded.convert_tokens_to_ids(IMAGE), device=device, dtype=dtype, seed=seed), loaded, embodiment, statistics
    )


def _with_expert(source: Source, embodiment: Embodiment | None, expert: ExpertSize | None, constants: dict) -> Source:
    if embodiment is None:
        raise CheckpointError(f"{source.path}: a new expert needs an embodiment, which says how many actions and state values it has")
    if unknown := constants.keys() - _EXPERT_CONSTANTS:
        raise CheckpointError(
            f"{source.path} states its own {', '.join(sorted(unknown))}; a new expert takes {', '.join(_EXPERT_CONSTANTS)}"
        )
    expert = expert or _EXPERTS.get(source.config.text.hidden_size)
    if expert is None:
        known = ", ".join(map(str, _EXPERTS))
        raise CheckpointError(
            f"{source.path}: backbone of width {source.config.text.hidden_size}; upstream has experts for {known}, so give its sizes"
        )
    action = embodiment.action
    shape = {"horizon": action.horizon, "action_dim": embodiment.action_dim, "proprio_dim": embodiment.proprio_dim}
    return source.with_new_expert(expert, **shape, **constants)
