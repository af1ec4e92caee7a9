"""Our checkpoint: a folder that holds everything a robot needs to run it, and is refused if anything is missing.

    model.safetensors   weights            config.json       sizes and constants (model.config.VlaserConfig)
    embodiment.yaml     the robot          statistics.json   percentiles its data was normalised with
    tokenizer.json …    the tokenizer

A model that only reasons (its config has no expert) belongs to no robot: its folder has neither embodiment nor statistics.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import PreTrainedTokenizerBase

from vlaser_core.checkpoint.names import LM_HEAD
from vlaser_core.checkpoint.source import Source, build, check, expected_shapes, fill, skeleton
from vlaser_core.checkpoint.tensors import Tensors
from vlaser_core.checkpoint.writing import complete_folder
from vlaser_core.embodiment import Embodiment, dump_embodiment, load_embodiment
from vlaser_core.errors import CheckpointError, ConfigError
from vlaser_core.model.config import VlaserConfig
from vlaser_core.model.vlaser import Vlaser
from vlaser_core.processing.normalization import Statistics, load_statistics, save_statistics
from vlaser_core.processing.tokenizer import IMAGE, check_ids, load_tokenizer, special_ids

REQUIRED = ("model.safetensors", "config.json", "embodiment.yaml", "statistics.json")
ROBOT = ("embodiment.yaml", "statistics.json")


@dataclass(frozen=True)
class Checkpoint:
    """A model with the robot and data it belongs to; a model that only reasons has neither."""

    model: Vlaser
    tokenizer: PreTrainedTokenizerBase
    embodiment: Embodiment | None
    statistics: Statistics | None


def shipped_checkpoint() -> Path:
    """The small trained policy that comes with the package."""
    return Path(__file__).resolve().parent.parent / "checkpoints" / "nano"


def save_checkpoint(checkpoint: Checkpoint, folder: Path) -> None:
    """Write the folder; one of that name is replaced only when the new one is complete, and a failure leaves nothing behind.

    Raises CheckpointError for a disk that is full, or a policy without its robot.
    """
    with complete_folder(Path(folder)) as partial:
        _write(checkpoint, partial)


def _write(checkpoint: Checkpoint, folder: Path) -> None:
    config = dataclasses.replace(checkpoint.model.config, token_ids=special_ids(checkpoint.tokenizer))
    weights = {name: tensor.contiguous() for name, tensor in checkpoint.model.state_dict().items()}
    if config.text.tie_embeddings:
        del weights[LM_HEAD]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config.to_dict(), indent=1) + "\n", encoding="utf-8")
    if checkpoint.embodiment is not None and checkpoint.statistics is not None:
        dump_embodiment(checkpoint.embodiment, folder / "embodiment.yaml")
        save_statistics(checkpoint.statistics, folder / "statistics.json")
    elif config.expert is not None:
        raise CheckpointError("a policy is saved with its embodiment and statistics, or no robot could run it")
    checkpoint.tokenizer.save_pretrained(str(folder))


def read_config(folder: Path) -> VlaserConfig:
    """The sizes a checkpoint states. Raises CheckpointError."""
    path = folder / "config.json"
    try:
        return VlaserConfig.from_dict(json.loads(path.read_text(encoding="utf-8")), str(path))
    except (OSError, ValueError, ConfigError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error


def check_folder(folder: Path) -> VlaserConfig:
    """The configuration of a folder that has every file it needs. Raises CheckpointError listing those it lacks."""
    if not folder.is_dir():
        raise CheckpointError(f"there is no checkpoint folder at {folder}")
    config = read_config(folder) if (folder / "config.json").is_file() else None
    required = [name for name in REQUIRED if config is None or config.expert is not None or name not in ROBOT]
    missing = [name for name in required if not (folder / name).is_file()]
    if config is None or missing:
        raise CheckpointError(f"checkpoint {folder} lacks {', '.join(missing)}; a checkpoint holds {', '.join(required)} and a tokenizer")
    return config


def folder_source(folder: Path) -> Source:
    """A folder of ours. Raises CheckpointError naming file and key of what is wrong."""
    return source_of(check_folder(folder), folder / "model.safetensors")


def source_of(config: VlaserConfig, path: Path) -> Source:
    tensors, known = Tensors.of_files([path]), expected_shapes(skeleton(config, 0))
    places = {name: (name,) for name in tensors if name in known}
    return Source(
        "vlaser", path, config, tensors, places, left_over=tuple(name for name in tensors if name not in known), token_ids=config.token_ids
    )


def robot_of(folder: Path, config: VlaserConfig) -> tuple[Embodiment, Statistics] | tuple[None, None]:
    """The robot a folder's policy drives, checked against it. Raises CheckpointError when they do not fit each other."""
    if config.expert is None:
        return None, None
    try:
        embodiment = load_embodiment(folder / "embodiment.yaml")
    except ConfigError as error:
        raise CheckpointError(f"checkpoint {folder}: {error}") from error
    statistics = load_statistics(folder / "statistics.json")
    statistics.check(embodiment, str(folder / "statistics.json"))
    check_robot(config, embodiment, f"checkpoint {folder}")
    return embodiment, statistics


def check_robot(config: VlaserConfig, embodiment: Embodiment, where: str) -> None:
    """Raises CheckpointError naming the first size in which model and robot differ."""
    for name, has, needs in (
        ("horizon", config.horizon, embodiment.action.horizon),
        ("action_dim", config.action_dim, embodiment.action_dim),
        ("proprio_dim", config.proprio_dim, embodiment.proprio_dim),
    ):
        if has != needs:
            raise CheckpointError(f"{where}: the model's {name} is {has}, embodiment {embodiment.name!r} needs {needs}")
    if config.views > len(embodiment.cameras):
        raise CheckpointError(f"{where}: the policy looks through {config.views} cameras, embodiment {embodiment.name!r} has {len(embodiment.cameras)}")


def check_tokenizer(tokenizer: PreTrainedTokenizerBase, config: VlaserConfig, token_ids: Mapping[str, int], where: str) -> None:
    """Raises CheckpointError when a tokenizer has more tokens than the model, or other special ids than its weights know."""
    if len(tokenizer) > config.text.vocab_size:
        raise CheckpointError(f"{where}: the tokenizer has {len(tokenizer)} tokens, the model {config.text.vocab_size}")
    check_ids(tokenizer, token_ids, where)


def tokenizer_of(source: Source, folder: Path | None = None) -> PreTrainedTokenizerBase:
    """The tokenizer in `folder`, by default the one beside the weights. Raises CheckpointError when it does not fit them."""
    home = folder or (source.path if source.path.is_dir() else source.path.parent)
    try:
        tokenizer = load_tokenizer(home)
    except CheckpointError as error:
        if folder is not None:
            raise
        raise CheckpointError(f"{error}; name the folder of the one these weights were trained with (--tokenizer)") from error
    check_tokenizer(tokenizer, source.config, source.token_ids, str(home))
    return tokenizer


def load_checkpoint(folder: Path | str, device: str = "cpu", dtype: torch.dtype | None = torch.float32) -> Checkpoint:
    """The checkpoint in `folder`, ready to run. dtype: of the weights in memory; None leaves them as they are stored.

    Raises CheckpointError naming what is missing, damaged, of another shape, or another robot's.
    """
    folder = Path(folder)
    config = check_folder(folder)
    embodiment, statistics = robot_of(folder, config)
    tokenizer = load_tokenizer(folder)
    check_tokenizer(tokenizer, config, config.token_ids, f"checkpoint {folder}")
    source = folder_source(folder)
    return Checkpoint(build(source, tokenizer.convert_tokens_to_ids(IMAGE), device=device, dtype=dtype), tokenizer, embodiment, statistics)


def load_weights(model: Vlaser, path: Path) -> None:
    """Fill a model that has memory already from a safetensors file. Raises CheckpointError naming keys and shapes that differ."""
    source = source_of(model.config, path)
    check(source)
    fill(model, source, str(model.device), model.dtype)
