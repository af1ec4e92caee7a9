"""Stage 2 from a recipe to a checkpoint: `vlaser train flow`.

    result = flow(read_recipe(FlowRecipe, "flow_nano"), say=print)

Everything lands below the recipe's `out`: recipe.json, samples.npz (states and actions), prefixes/, flow.state.pt, the log, and
at the end checkpoint/. Stopped at any moment, the same recipe goes on.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from vlaser_core.checkpoint.folder import Checkpoint, save_checkpoint
from vlaser_core.data.robot.episode import RobotData
from vlaser_core.data.robot.order import Order
from vlaser_core.data.robot.pictures import PictureReader
from vlaser_core.data.robot.samples import Samples, collect
from vlaser_core.data.source import Damage
from vlaser_core.embodiment import Embodiment
from vlaser_core.engine import check_device
from vlaser_core.errors import ConfigError
from vlaser_core.train.flow_data import Opener, Prompts, Targets, open_sets
from vlaser_core.train.flow_loss import FlowLoss, Looked, Pool, Stored
from vlaser_core.train.flow_recipe import FlowRecipe
from vlaser_core.train.flow_start import begin, robot_of, statistics_for
from vlaser_core.train.loop import train
from vlaser_core.train.parts import choose
from vlaser_core.train.pieces import in_one_piece
from vlaser_core.train.prefixes import PrefixStore
from vlaser_core.train.processes import Processes, Share, cast, join
from vlaser_core.train.recipe import keep_recipe
from vlaser_core.train.views import filled

LABEL = "flow"
Say = Callable[[str], None]
Evaluate = Callable[[Checkpoint], Mapping[str, float]]

# What a run may go on with another value of: how long, how often and on what, but nothing that decides a batch or the weights.
_MAY_CHANGE = {
    "threads", "workers", "device", "size", "evaluate_every", "evaluate_episodes",
    "loop.steps", "loop.save_every", "loop.log_every", "loop.accumulation", "loop.checkpoint_activations", "loop.shard",
}  # fmt: skip


@dataclass(frozen=True)
class FlowResult:
    """samples: steps of the data. left_out: episodes and pictures, by reason. prefix_s: seconds spent computing prefixes in this
    call. loss, evaluation: the last logged."""

    checkpoint: str
    embodiment: str
    updates: int
    samples: int
    episodes: int
    left_out: dict[str, int]
    prefix_s: float
    loss: float
    evaluation: dict[str, float]


def flow(recipe: FlowRecipe, say: Say, more: Mapping[str, Opener] | None = None, evaluate: Evaluate | None = None) -> FlowResult:
    """Train, or go on where a run of the same recipe was stopped. say: told what a person should know on the way. more: kinds of
    data besides the core's own. evaluate: numbers of a policy in closed loop, every `evaluate_every` updates.

    Raises ConfigError, InputError or CheckpointError for what the recipe asks and is not there, and what `train` raises.
    """
    check_device(recipe.device)
    torch.set_num_threads(recipe.threads)
    processes = join(recipe.device)
    say = say if processes.leader else _silent
    share = Share(recipe.batch, recipe.loop.accumulation, processes)
    if recipe.evaluate_every and recipe.loop.shard:
        raise ConfigError("a sharded model is not evaluated on the way: leave evaluate_every 0 and evaluate the checkpoint")
    robot = robot_of(recipe)
    sets = open_sets(recipe, robot, more)
    damage = Damage()
    begun = (recipe.out / "recipe.json").is_file()
    if begun:
        keep_recipe(recipe, recipe.out, _MAY_CHANGE)
    samples = processes.first(lambda: _samples(recipe, sets, robot, damage, say, kept=begun or not processes.leader))
    checkpoint = begin(recipe, robot, statistics_for(recipe, samples, robot, say), str(processes.device))
    model = checkpoint.model
    choose(model, recipe.train)
    cast(model, recipe.loop.precision)
    # Only now: a recipe that cannot be trained is nothing to keep to.
    processes.first(lambda: keep_recipe(recipe, recipe.out, _MAY_CHANGE))
    prompts = Prompts(samples.instructions, checkpoint.tokenizer, model.config)
    stored = recipe.train == "expert" and recipe.prefixes == "store"
    order = Order(samples.parts, None if stored else recipe.pool, recipe.source.weights, recipe.seed)
    cameras = [camera.name for camera in robot.cameras[: model.config.views]]
    with PictureReader(sets, samples, cameras, model.config.vision.image_size, model.config.resample, recipe.workers) as reader:
        started = time.monotonic()
        if stored:
            prefixes = Stored(model, _store(recipe, samples, checkpoint, prompts, reader, processes))
        else:
            pictures = Pool(reader, order, share)
            prefixes = Looked(model, prompts, samples.wording, pictures, recipe.augment, recipe.seed, frozen=recipe.train == "expert")
        prefix_s = time.monotonic() - started if stored else 0.0
        _tell(damage, reader.damage, say)
        loss = FlowLoss(
            model=model,
            share=share,
            rows_of=lambda update: order.batch(update, recipe.batch),
            targets=Targets.of(samples, checkpoint.statistics, robot, recipe.mask_padding),
            prefixes=prefixes,
            times_per_prefix=recipe.times_per_prefix,
            jitter=recipe.proprio_noise,
            seed=recipe.seed,
        )
        every = recipe.evaluate_every if evaluate else 0
        judge = (lambda: evaluate(checkpoint)) if evaluate else None
        train(model, loss, recipe.loop, recipe.out, LABEL, judge, every, {"backbone.": recipe.backbone_rate})
    finished = dataclasses.replace(checkpoint, model=in_one_piece(checkpoint.model, recipe.loop))
    if processes.leader:
        save_checkpoint(finished, recipe.out / "checkpoint")
    return _result(recipe, robot, samples, {**damage.counts, **reader.damage.counts}, prefix_s)


def _samples(recipe: FlowRecipe, sets: list[RobotData], robot: Embodiment, damage: Damage, say: Say, kept: bool) -> Samples:
    """States and actions of every episode, or those that were kept: a run that goes on finds the rows it began with."""
    path = recipe.out / "samples.npz"
    if kept:
        return Samples.load(path)
    samples = collect(sets, robot, damage, recipe.seed)
    samples.save(path)
    say(f"{len(samples.parts)} episodes, {len(samples)} steps, {len(samples.instructions)} instructions")
    return samples


def _store(
    recipe: FlowRecipe, samples: Samples, checkpoint: Checkpoint, prompts: Prompts, reader: PictureReader, processes: Processes
) -> PrefixStore:
    """The prefixes of every step, computed where they are not yet there."""
    model, folder = checkpoint.model, recipe.out / "prefixes"
    identity = f"{samples.digest()} {reader.cameras} augment {recipe.augment} seed {recipe.seed}"
    return filled(
        lambda: PrefixStore.open(folder, len(samples), model, prompts.longest, identity),
        model,
        prompts,
        samples.wording,
        reader.read,
        block=recipe.pool,
        strength=recipe.augment,
        seed=recipe.seed,
        processes=processes,
    )


def _tell(damage: Damage, pictures: Damage, say: Say) -> None:
    for found in (damage, pictures):
        for reason, count in found.counts.items():
            say(f"left out: {count} × {reason}, for example {next(iter(found.examples.get(reason, ['-'])))}")


def _result(recipe: FlowRecipe, robot: Embodiment, samples: Samples, left_out: dict[str, int], prefix_s: float) -> FlowResult:
    lines = (recipe.out / f"{LABEL}.jsonl").read_text(encoding="utf-8").splitlines()
    last = json.loads(lines[-1])
    known = {"step", "loss", "gradient_norm", "learning_rate", "updates_per_s"}
    evaluation = {key: value for key, value in last.items() if key not in known}
    place = str(recipe.out / "checkpoint")
    return FlowResult(place, robot.name, recipe.loop.steps, len(samples), len(samples.parts), left_out, round(prefix_s, 2), last["loss"], evaluation)


def _silent(text: str) -> None:
    """Of the processes that have nothing of their own to say."""
