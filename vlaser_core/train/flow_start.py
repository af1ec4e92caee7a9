"""What stage 2 begins from: any checkpoint's backbone, an expert kept or new, and the robot whose data it is to learn."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vlaser_core.checkpoint.detect import layout_of, open_checkpoint
from vlaser_core.checkpoint.folder import Checkpoint, check_folder, check_robot, check_tokenizer, folder_source, load_checkpoint, shipped_checkpoint
from vlaser_core.checkpoint.source import EXPERT_PARTS, Source, build
from vlaser_core.data.robot.samples import Samples
from vlaser_core.embodiment import Embodiment, load_embodiment
from vlaser_core.errors import CheckpointError, ConfigError
from vlaser_core.model.config import ExpertSize
from vlaser_core.processing.normalization import Statistics, load_statistics
from vlaser_core.processing.tokenizer import IMAGE, load_tokenizer
from vlaser_core.train.flow_recipe import FlowRecipe

_MUCH = 0.5  # of the values far beyond the percentiles: a robot's own have less than two in a hundred there
_FAR = 0.1  # of the percentiles' distance: a gripper that is wide open all day lies on its limit, a hair beyond what another day's percentile was
_PROMPT = 128  # tokens of a prompt besides its pictures'


def robot_of(recipe: FlowRecipe) -> Embodiment:
    """The robot that a recipe names, or its checkpoint's own. Raises ConfigError where neither says one."""
    if recipe.embodiment:
        return load_embodiment(recipe.embodiment)
    folder = recipe.checkpoint or shipped_checkpoint()
    if layout_of(folder) != "vlaser" or check_folder(folder).expert is None:
        raise ConfigError(f"{folder} belongs to no robot; say which one is to learn, as in --embodiment widowx")
    return load_embodiment(folder / "embodiment.yaml")


def statistics_for(recipe: FlowRecipe, samples: Samples, robot: Embodiment, say: Callable[[str], None]) -> Statistics:
    """The percentiles that a recipe normalises by. Raises CheckpointError for those of another robot: another size, or a spread
    in which most of this data has no place.
    """
    if recipe.statistics == "data":
        return samples.statistics()
    path = Path(recipe.statistics)
    if recipe.statistics == "checkpoint":
        path = (recipe.checkpoint or shipped_checkpoint()) / "statistics.json"
    statistics = load_statistics(path)
    statistics.check(robot, str(path))
    for what, spread, values, names, skipped in (
        ("action", statistics.action, samples.actions, robot.action.names, robot.action.gripper_dims),
        ("proprio", statistics.proprio, samples.proprio, robot.proprio.names, ()),
    ):
        slack = _FAR * (spread.p99 - spread.p01)
        far = ((values < spread.p01 - slack) | (values > spread.p99 + slack)).mean(0)
        beyond = ((values < spread.p01) | (values > spread.p99)).mean(0)
        far[list(skipped)] = beyond[list(skipped)] = 0.0
        worst = int(np.argmax(far))
        if far[worst] > _MUCH:
            raise CheckpointError(
                f"{path} is of another robot, or in other units: {far[worst]:.0%} of this data's {what} {names[worst]!r} "
                f"({values[:, worst].min():.4g}…{values[:, worst].max():.4g}) lie far beyond its percentiles "
                f"({spread.p01[worst]:.4g}…{spread.p99[worst]:.4g}); use the data's own: --statistics data"
            )
        worst = int(np.argmax(beyond))
        say(f"{path}: at most {beyond[worst]:.1%} of a value lie beyond its percentiles ({what} {names[worst]!r}) and are clipped")
    return statistics


def begin(recipe: FlowRecipe, robot: Embodiment, statistics: Statistics, device: str) -> Checkpoint:
    """The model to train, with that robot and those statistics. Raises CheckpointError for a checkpoint that does not fit them."""
    path = recipe.checkpoint or shipped_checkpoint()
    sizes = ExpertSize(recipe.expert_width, recipe.expert_mlp) if recipe.expert_width and recipe.expert_mlp else None
    layout = layout_of(path)
    if layout == "vlaser":
        config = check_folder(path)
        if recipe.expert == "keep" and config.expert is not None:
            _refuse_sizes(sizes)
            checkpoint = load_checkpoint(path, device, dtype=None)
        else:
            checkpoint = _with_new_expert(path, sizes or config.expert, robot, device, recipe)
        checkpoint = dataclasses.replace(checkpoint, embodiment=robot, statistics=statistics)
    else:
        told = {"embodiment": robot, "statistics": statistics, "tokenizer": recipe.tokenizer, "device": device}
        if layout == "upstream":
            _refuse_sizes(sizes)
            if recipe.expert == "new":
                raise CheckpointError(f"{path} has an action expert; convert it first (vlaser convert), then ask for a new one")
            checkpoint = open_checkpoint(path, **told)
        else:
            checkpoint = open_checkpoint(path, **told, new_expert=True, expert=sizes, seed=recipe.seed)
    model = checkpoint.model
    views = recipe.views or (model.config.views if recipe.expert == "keep" else len(robot.cameras))
    room = model.config.max_prompt_tokens
    if views > model.config.views:
        room = max(room, views * (model.config.image_tokens + 2) + _PROMPT)
    model.config = dataclasses.replace(model.config, views=views, max_prompt_tokens=room)
    check_robot(model.config, robot, str(path))
    return checkpoint


def _refuse_sizes(sizes: ExpertSize | None) -> None:
    if sizes is not None:
        raise ConfigError("expert_width and expert_mlp are for a new expert (expert: new); this checkpoint's is kept")


def _with_new_expert(path: Path, sizes: ExpertSize | None, robot: Embodiment, device: str, recipe: FlowRecipe) -> Checkpoint:
    if sizes is None:
        raise ConfigError(f"{path} has no action expert to take sizes from; give expert_width and expert_mlp")
    source = folder_source(path)
    bare = dataclasses.replace(source.config, expert=None, horizon=0, action_dim=0, proprio_dim=0)
    places = {stored: names for stored, names in source.places.items() if not stored.startswith(EXPERT_PARTS)}
    source = Source(source.layout, source.path, bare, source.tensors, places, left_over=source.left_over, token_ids=source.token_ids)
    shape = {"horizon": robot.action.horizon, "action_dim": robot.action_dim, "proprio_dim": robot.proprio_dim}
    source = source.with_new_expert(sizes, **shape)
    tokenizer = load_tokenizer(path)
    check_tokenizer(tokenizer, source.config, source.token_ids, str(path))
    model = build(source, tokenizer.convert_tokens_to_ids(IMAGE), device=device, seed=recipe.seed)
    return Checkpoint(model, tokenizer, robot, None)
