"""The nano policy, from nothing to a checkpoint. Every step resumes where it was stopped.

`training/nano.sh` runs it all. Step by step:

    python -m training.nano scenes   --out runs/nano            # random scenes of the four tabletop tasks, exact truth
    torchrun --standalone --nproc-per-node 2 -m training.nano sft --out runs/nano   # stage 1: language
    torchrun --standalone --nproc-per-node 2 -m training.nano flow --out runs/nano  # stage 2: actions; backbone frozen, prefixes cached
    python -m training.nano rollouts --out runs/nano            # the policy drives, the scripted expert says what it would do
    torchrun … -m training.nano flow --out runs/nano --round 1  # stage 2 again, with those states added
    vlaser eval tabletop --checkpoint runs/nano/checkpoint1 --episodes 100
"""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import tyro
from transformers import PreTrainedTokenizerBase

from sim_bridge.tabletop import TASKS
from sim_bridge.tabletop.record import record_scenes
from sim_bridge.tabletop.rollouts import record_rollouts
from vlaser_core.checkpoint.folder import Checkpoint, load_checkpoint, load_weights, save_checkpoint
from vlaser_core.data.families import conversation, corpus, policy_answer
from vlaser_core.data.scenes import SceneSet, load_scenes
from vlaser_core.embodiment import load_embodiment
from vlaser_core.engine import Engine
from vlaser_core.model.config import nano
from vlaser_core.model.vlaser import Vlaser
from vlaser_core.processing.augment import photometric
from vlaser_core.processing.normalization import Spread, Statistics
from vlaser_core.processing.tokenizer import IMAGE, train_nano_tokenizer
from vlaser_core.train.flow_data import ChunkTargets, Prompts
from vlaser_core.train.flow_loss import FlowLoss, Stored
from vlaser_core.train.language import LanguageLoss, SequenceEncoder, loss_by_length
from vlaser_core.train.loop import LoopConfig, Weighted, train
from vlaser_core.train.parts import choose
from vlaser_core.train.prefixes import PrefixStore
from vlaser_core.train.processes import Processes, Share, join, quickest_precision
from vlaser_core.train.views import filled

HALF_HIDDEN = 0.8  # visible fraction below which a thing counts as half hidden

# What a picture is asked about in stage 1 besides the policy's own prompt; names given twice are asked twice as often.
FAMILIES = (
    *("ground_box",) * 4, *("ground_point",) * 12, "gripper_point", "affordance", "placement", "presence", "colour",
    "name_at", "objects", "gripper_state", "phase", "next_action", "done", "spatial_image", "spatial_robot", "nearest", "plan", "plan",
)  # fmt: skip


@dataclass(frozen=True)
class Scenes:
    """Teleported random scenes: objects, arm and gripper anywhere an episode might take them."""

    out: Path
    per_task: int = 9000
    rays_share: float = 0.25
    """Share of the pictures drawn by the ray caster, so that the policy works where there is no OpenGL."""
    renderer: str = "auto"
    """Draws the others."""
    seed: int = 1_000_000
    workers: int = 2

    def run(self) -> None:
        rays = round(self.per_task * self.rays_share)
        for renderer, count, seed in ((self.renderer, self.per_task - rays, self.seed), ("rays", rays, self.seed + 1)):
            if count:
                record_scenes(self.out / "scenes", "all", count, seed, renderer, workers=self.workers)


@dataclass(frozen=True)
class Sft:
    """Stage 1: the backbone learns to see the table, by next-token loss on exact answers."""

    out: Path
    steps: int = 4500
    batch: int = 24
    """Pictures a step and process."""
    learning_rate: float = 1.5e-3
    """Of embeddings, norms and biases."""
    matrix_rate: float = 0.012
    """Of the matrices inside of layers, by Muon."""
    policy_share: float = 0.4
    """Share of batches made of the policy's own prompt; the rest are conversations."""
    turns: int = 3
    hidden_share: float = 0.6
    """Share of a conversation batch whose scenes have something half hidden, by a gripper mostly: where pointing is hard."""
    attention: Literal["causal", "prefix"] = "prefix"
    """How a picture and its first question are read; prefix: both ways, as the policy's prompt is."""
    number_width: float = 6.0
    init_from: Path | None = None
    """A nano checkpoint to go on from, with its tokenizer and its expert; without it everything begins at random."""
    seed: int = 0
    threads: int = 1

    def run(self) -> None:
        torch.set_num_threads(self.threads)
        processes = join()
        torch.manual_seed(self.seed)
        model, tokenizer = self.beginning()
        config = model.config
        for parameter in model.expert_parameters():
            parameter.requires_grad_(False)
        scenes = usable(load_scenes(self.out / "scenes"))
        hidden = np.flatnonzero([any(0 < thing.visible_fraction < HALF_HIDDEN for thing in truth.objects) for truth in scenes.truths])
        encoder, loss = SequenceEncoder(tokenizer, config), LanguageLoss(tokenizer, self.number_width)

        def loss_at(step: int) -> Weighted:
            rng = np.random.default_rng((self.seed, step * processes.count + processes.rank))
            rows = rng.integers(len(scenes), size=self.batch)
            # The kind is drawn per step, not per row nor per rank: one kind is one length, and ranks finish together.
            as_policy = np.random.default_rng((self.seed, step)).random() < self.policy_share
            if not as_policy and len(hidden):
                rows = np.where(rng.random(self.batch) < self.hidden_share, rng.choice(hidden, self.batch), rows)
            sequences = []
            for row in rows:
                truth = scenes.truths[row]
                if as_policy:
                    sequences.append(encoder.policy(truth.instruction, policy_answer(truth)))
                else:
                    asked = conversation(truth, rng, self.turns, FAMILIES)
                    sequences.append(encoder.conversation([(turn.question, turn.answer) for turn in asked]))
            return loss_by_length(model, loss, encoder, sequences, photometric(scenes.images[rows], rng))

        loop = LoopConfig(self.steps, self.learning_rate, optimizer="muon", matrix_rate=self.matrix_rate, weight_decay=0.02, ema=0.998)
        train(model, loss_at, dataclasses.replace(loop, precision=quickest_precision()), self.out, "sft")
        if processes.leader:
            embodiment = load_embodiment("widowx")
            save_checkpoint(Checkpoint(model, tokenizer, embodiment, statistics_of(scenes)), self.out / "backbone")

    def beginning(self) -> tuple[Vlaser, PreTrainedTokenizerBase]:
        if self.init_from is not None:
            checkpoint = load_checkpoint(self.init_from)
            model = checkpoint.model
            model.config = dataclasses.replace(model.config, attention=self.attention)
            return model, checkpoint.tokenizer
        tokenizer = train_nano_tokenizer(corpus())
        model = Vlaser(dataclasses.replace(nano(len(tokenizer)), attention=self.attention), tokenizer.convert_tokens_to_ids(IMAGE))
        torch.nn.init.trunc_normal_(model.backbone.model.vision_tower.embeddings.position_embeddings, std=0.02)
        return model, tokenizer


@dataclass(frozen=True)
class Flow:
    """Stage 2: the action expert alone, on prefixes that are computed once."""

    out: Path
    round: int = 0
    """How many sets of `rollouts` to train on besides the scenes."""
    rollout_share: float = 0.4
    """Share of the samples that come from them."""
    steps: int = 1000
    batch: int = 192
    """Samples a step and process."""
    learning_rate: float = 2e-3
    matrix_rate: float = 0.012
    proprio_noise: float = 0.01
    """Standard deviation added to normalised proprioception, so that the policy does not lean on its last digit."""
    seed: int = 0
    threads: int = 1

    def run(self) -> None:
        torch.set_num_threads(self.threads)
        processes = join()
        checkpoint = load_checkpoint(self.out / "backbone")
        model = checkpoint.model
        sets = [usable(load_scenes(self.out / "scenes"))] + [load_scenes(self.out / f"rollouts{k}") for k in range(self.round)]
        stores = [prefixes(checkpoint, part, self.out / f"prefixes{k}", processes) for k, part in enumerate(sets)]
        choose(model, "expert")
        if self.round:
            load_weights(model, self.out / f"checkpoint{self.round - 1}" / "model.safetensors")
        recorded, size = len(sets[0]), self.batch * processes.count

        def rows_of(step: int) -> np.ndarray:
            rng = np.random.default_rng((self.seed, step))
            rows = rng.integers(recorded, size=size)
            if self.round:
                visited = rng.integers(recorded, sum(len(part) for part in sets), size=size)
                rows = np.where(rng.random(size) < self.rollout_share, visited, rows)
            return rows

        share, targets = Share(size, processes=processes), targets_of(checkpoint, *sets)
        loss = FlowLoss(model, share, rows_of, targets, Stored(model, *stores), jitter=self.proprio_noise, seed=self.seed)
        loop = LoopConfig(self.steps, self.learning_rate, optimizer="muon", matrix_rate=self.matrix_rate, ema=0.998)
        train(model, loss, loop, self.out, f"flow{self.round}")
        if processes.leader:
            save_checkpoint(dataclasses.replace(checkpoint, model=model), self.out / f"checkpoint{self.round}")


@dataclass(frozen=True)
class Rollouts:
    """The trained policy drives; at each of its views the scripted expert says what it would have done (DAgger)."""

    out: Path
    round: int = 0
    episodes: int = 60
    """Per task and renderer."""
    seed: int = 2_000_000
    tasks: tuple[str, ...] = tuple(TASKS)
    renderers: tuple[str, ...] = ("egl", "rays")
    expert_share: float = 0.3
    """Share of chunks that the expert executes, so that rollouts of a weak policy reach the end of the task too."""
    threads: int = 1

    def run(self) -> None:
        engine = Engine.load(self.out / f"checkpoint{self.round}", threads=self.threads)
        for renderer in self.renderers:
            for task in self.tasks:
                folder = self.out / f"rollouts{self.round}" / renderer / task
                policy = lambda observation, instruction, seed: engine.predict(observation, instruction, seed=seed)  # noqa: E731
                record_rollouts(folder, task, self.episodes, self.seed + 10_000 * self.round, renderer, policy, expert_share=self.expert_share)


def usable(scenes: SceneSet) -> SceneSet:
    """The scenes a policy answer can be given for: a gripper pressed below the table's plane has no height."""
    return scenes.where(np.array([0 <= truth.gripper_height_mm <= 1000 for truth in scenes.truths]))


def statistics_of(scenes: SceneSet) -> Statistics:
    """Percentiles of the recorded proprioception and of every step of the recorded chunks."""
    actions = scenes.chunks.reshape(-1, scenes.chunks.shape[-1]).astype(float)
    return Statistics(Spread.of(actions), Spread.of(scenes.proprio.astype(float)), len(scenes), len(scenes))


def targets_of(checkpoint: Checkpoint, *sets: SceneSet) -> ChunkTargets:
    """Proprioception and chunks of scenes, normalised; one set after the other."""
    statistics, grip = checkpoint.statistics, checkpoint.embodiment.action.gripper_dims
    return ChunkTargets(
        np.concatenate([statistics.normalise_proprio(part.proprio) for part in sets]),
        np.concatenate([statistics.normalise_actions(part.chunks, grip) for part in sets]),
    )


def prompts_of(checkpoint: Checkpoint, scenes: SceneSet) -> tuple[Prompts, np.ndarray]:
    """The tasks' instructions as the policy is told them, and which one each scene has."""
    instructions = [task.instruction for task in TASKS.values()]
    wording = np.array([instructions.index(truth.instruction) for truth in scenes.truths])
    return Prompts(instructions, checkpoint.tokenizer, checkpoint.model.config), wording


def prefixes(checkpoint: Checkpoint, scenes: SceneSet, folder: Path, processes: Processes = Processes()) -> PrefixStore:
    """The frozen backbone's view of every scene, with a little photometric change as on the robot; kept in `folder`."""
    model = checkpoint.model
    prompts, wording = prompts_of(checkpoint, scenes)
    identity = hashlib.sha256(scenes.proprio.tobytes() + scenes.chunks.tobytes()).hexdigest()
    return filled(
        lambda: PrefixStore.open(folder, len(scenes), model, prompts.longest, identity),
        model,
        prompts,
        wording,
        lambda rows: (scenes.images[rows][:, None], np.ones(len(rows), bool)),
        processes=processes,
    )


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"scenes": Scenes, "sft": Sft, "flow": Flow, "rollouts": Rollouts}).run()
