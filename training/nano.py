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
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import tyro

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
from vlaser_core.processing.pixels import normalise_pixels
from vlaser_core.processing.tokenizer import IMAGE, train_nano_tokenizer
from vlaser_core.reasoning.prompts import policy_prompt
from vlaser_core.train.flow import PrefixStore, flow_matching_loss, normalised_samples
from vlaser_core.train.language import LanguageLoss, SequenceEncoder
from vlaser_core.train.loop import LoopConfig, train

# What a picture is asked about in stage 1 besides the policy's own prompt; names given twice are asked twice as often.
FAMILIES = (
    "ground_box", "ground_box", "ground_point", "ground_point", "ground_point", "gripper_point", "affordance", "placement", "presence", "colour",
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
    steps: int = 2700
    batch: int = 48
    learning_rate: float = 1.5e-3
    policy_share: float = 0.7
    """Share of batches made of the policy's own prompt; the rest are conversations."""
    turns: int = 2
    number_width: float = 6.0
    seed: int = 0
    threads: int = 1

    def run(self) -> None:
        torch.set_num_threads(self.threads)
        rank, world = _join_processes()
        torch.manual_seed(self.seed)
        tokenizer = train_nano_tokenizer(corpus())
        config = nano(len(tokenizer))
        model = Vlaser(config, tokenizer.convert_tokens_to_ids(IMAGE))
        torch.nn.init.trunc_normal_(model.backbone.model.vision_tower.embeddings.position_embeddings, std=0.02)
        for parameter in model.expert_parameters():
            parameter.requires_grad_(False)
        scenes = usable(load_scenes(self.out / "scenes"))
        encoder, loss = SequenceEncoder(tokenizer, config), LanguageLoss(tokenizer, self.number_width)

        def loss_at(step: int) -> torch.Tensor:
            rng = np.random.default_rng((self.seed, step * world + rank))
            rows = rng.integers(len(scenes), size=self.batch)
            # The kind is drawn per step, not per row nor per rank: one kind is one length, and ranks finish together.
            as_policy = np.random.default_rng((self.seed, step)).random() < self.policy_share
            sequences = []
            for row in rows:
                truth = scenes.truths[row]
                if as_policy:
                    sequences.append(encoder.policy(truth.instruction, policy_answer(truth)))
                else:
                    asked = conversation(truth, rng, self.turns, FAMILIES)
                    sequences.append(encoder.conversation([(turn.question, turn.answer) for turn in asked]))
            batch = encoder.collate(sequences, photometric(scenes.images[rows], rng))
            return loss(model, batch)

        train(model, loss_at, LoopConfig(self.steps, self.learning_rate, weight_decay=0.02, ema=0.998), self.out, "sft")
        if rank == 0:
            for stale in self.out.glob("prefixes*.pt"):
                stale.unlink()  # they are another backbone's
            embodiment = load_embodiment("widowx")
            save_checkpoint(Checkpoint(model, tokenizer, embodiment, statistics_of(scenes)), self.out / "backbone")


@dataclass(frozen=True)
class Flow:
    """Stage 2: the action expert alone, on prefixes that are computed once."""

    out: Path
    round: int = 0
    """How many sets of `rollouts` to train on besides the scenes."""
    rollout_share: float = 0.4
    """Share of the samples that come from them."""
    steps: int = 1800
    batch: int = 192
    """Samples a step and process."""
    learning_rate: float = 2e-3
    proprio_noise: float = 0.01
    """Standard deviation added to normalised proprioception, so that the policy does not lean on its last digit."""
    seed: int = 0
    threads: int = 1

    def run(self) -> None:
        torch.set_num_threads(self.threads)
        rank, world = _join_processes()
        checkpoint = load_checkpoint(self.out / "backbone")
        model, statistics = checkpoint.model, checkpoint.statistics
        grip = checkpoint.embodiment.action.gripper_dims
        sets = [usable(load_scenes(self.out / "scenes"))] + [load_scenes(self.out / f"rollouts{k}") for k in range(self.round)]
        # Each process keeps the prefixes of its own share of the samples.
        sets = [part.where(np.arange(len(part)) % world == rank) for part in sets]
        stores = [prefixes(checkpoint, part, self.out / f"prefixes{k}-{rank}of{world}.pt") for k, part in enumerate(sets)]
        store = stores[0] if len(stores) == 1 else PrefixStore.joined(stores)
        samples = normalised_samples(
            np.concatenate([statistics.normalise_proprio(part.proprio) for part in sets]),
            np.concatenate([statistics.normalise_actions(part.chunks, grip) for part in sets]),
        )
        model.backbone.requires_grad_(False)
        if self.round:
            load_weights(model, self.out / f"checkpoint{self.round - 1}" / "model.safetensors")

        def loss_at(step: int) -> torch.Tensor:
            generator = torch.Generator().manual_seed((self.seed * 1_000_003 + step) * world + rank)
            rows = torch.randint(len(sets[0]), (self.batch,), generator=generator)
            if self.round:
                visited = torch.randint(len(sets[0]), len(samples), (self.batch,), generator=generator)
                rows = torch.where(torch.rand(self.batch, generator=generator) < self.rollout_share, visited, rows)
            proprio = samples.proprio[rows]
            proprio = (proprio + self.proprio_noise * torch.randn(proprio.shape, generator=generator)).clamp(-1, 1)
            return flow_matching_loss(model, store.read(rows), proprio, samples.actions[rows], samples.valid[rows], generator)

        train(model, loss_at, LoopConfig(self.steps, self.learning_rate, ema=0.999), self.out, f"flow{self.round}")
        if rank == 0:
            save_checkpoint(dataclasses.replace(checkpoint, model=model), self.out / f"checkpoint{self.round}")


@dataclass(frozen=True)
class Rollouts:
    """The trained policy drives; at each of its views the scripted expert says what it would have done (DAgger)."""

    out: Path
    round: int = 0
    episodes: int = 60
    """Per task and renderer."""
    seed: int = 2_000_000
    renderers: tuple[str, ...] = ("egl", "rays")
    expert_share: float = 0.3
    """Share of chunks that the expert executes, so that rollouts of a weak policy reach the end of the task too."""
    threads: int = 1

    def run(self) -> None:
        engine = Engine.load(self.out / f"checkpoint{self.round}", threads=self.threads)
        for renderer in self.renderers:
            for task in TASKS:
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


def prefixes(checkpoint: Checkpoint, scenes: SceneSet, cache: Path, batch: int = 64) -> PrefixStore:
    """The frozen backbone's view of every scene, with a little photometric change as on the robot; kept in `cache`."""
    config, tokenizer = checkpoint.model.config, checkpoint.tokenizer
    prompts = {
        task.instruction: tokenizer(policy_prompt(task.instruction, config.image_tokens), add_special_tokens=False)["input_ids"]
        for task in TASKS.values()
    }
    store = PrefixStore(len(scenes), checkpoint.model, max(len(ids) for ids in prompts.values()))
    if cache.exists():
        store.load(cache)
        return store
    rng, started = np.random.default_rng(0), time.monotonic()
    for first in range(0, len(scenes), batch):
        rows = slice(first, min(first + batch, len(scenes)))
        ids = [prompts[truth.instruction] for truth in scenes.truths[rows]]
        width = max(len(row) for row in ids)
        padded = torch.tensor([row + [tokenizer.pad_token_id] * (width - len(row)) for row in ids])
        mask = torch.tensor([[True] * len(row) + [False] * (width - len(row)) for row in ids])
        store.fill(checkpoint.model, rows, padded, mask, normalise_pixels(photometric(scenes.images[rows], rng, strength=0.5)))
    store.save(cache)
    print(f"{len(scenes)} prefixes in {time.monotonic() - started:.0f} s")
    return store


def _join_processes() -> tuple[int, int]:
    """(rank, processes) of a torchrun, (0, 1) otherwise."""
    if not dist.is_torchelastic_launched():
        return 0, 1
    dist.init_process_group("gloo")
    return dist.get_rank(), dist.get_world_size()


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"scenes": Scenes, "sft": Sft, "flow": Flow, "rollouts": Rollouts}).run()
