"""From `kind:path` to normalised training samples of one robot.

sets = open_sets(recipe, robot)
targets = Targets.of(samples, statistics, robot)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from vlaser_core.data.robot.adapt import Adaptation, Adapted
from vlaser_core.data.robot.episode import RobotData
from vlaser_core.data.robot.lerobot import LeRobotDataset
from vlaser_core.data.robot.open_x import Bridge, Fractal
from vlaser_core.data.robot.robotwin import RoboTwin
from vlaser_core.data.robot.samples import Samples
from vlaser_core.data.robot.tabletop import TabletopDemonstrations
from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import ConfigError, InputError
from vlaser_core.model.config import VlaserConfig
from vlaser_core.processing.normalization import Statistics
from vlaser_core.reasoning.prompts import policy_prompt
from vlaser_core.train.flow_recipe import FlowRecipe

Opener = Callable[[Path, FlowRecipe, Embodiment], RobotData]

_OPENERS: dict[str, Opener] = {
    "lerobot": lambda root, recipe, robot: LeRobotDataset(root),
    "bridge": lambda root, recipe, robot: Bridge(root, recipe.source.split or None, recipe.source.wrap_angles),
    "fractal": lambda root, recipe, robot: Fractal(root, recipe.source.split or None),
    "robotwin": lambda root, recipe, robot: RoboTwin(root, "swapped" if recipe.source.swapped_colours else "true"),
    "tabletop": lambda root, recipe, robot: TabletopDemonstrations(root),
}


def open_sets(recipe: FlowRecipe, robot: Embodiment, more: Mapping[str, Opener] | None = None) -> list[RobotData]:
    """Every set a recipe names, with its names and units turned into the robot's. more: kinds that are not known here, such as
    bags. Raises ConfigError for an unknown kind.
    """
    openers, source = {**_OPENERS, **(more or {})}, recipe.source
    cameras = dict(_pair(text) for text in source.cameras)
    sets = []
    for text in source.data:
        kind, colon, path = text.partition(":")
        if not colon or kind not in openers:
            raise ConfigError(f"--data {text}: expected kind:path with one of {', '.join(sorted(openers))}, as in lerobot:datasets/so100")
        data = openers[kind](Path(path).expanduser(), recipe, robot)
        adaptation = Adaptation(
            cameras={} if kind in (more or {}) else cameras,
            proprio=source.proprio,
            actions=source.actions,
            degrees=source.degrees,
            gripper_state=source.gripper_state,
            gripper_action=source.gripper_action,
            stride=source.stride,
            instruction=source.instruction,
            drop_idle=source.drop_idle,
        )
        sets.append(Adapted(data, adaptation))
    return sets


def _pair(text: str) -> tuple[str, str]:
    name, assigned, theirs = text.partition(":=")
    if not assigned or not name or not theirs:
        raise ConfigError(f"--cameras {text}: expected <the robot's camera>:=<the data set's>, as in image_0:=observation.images.top")
    return name, theirs


@dataclass(frozen=True)
class Target:
    """Normalised, of a batch: proprio (B, P), actions (B, H, A) float32, and which steps count (B, H) bool."""

    proprio: torch.Tensor
    actions: torch.Tensor
    valid: torch.Tensor


class Targets:
    """What the expert is given and asked for, by row: normalised proprioception, chunks, and which of their steps count.

    proprio (N, P), actions (N, A) float32 by step, normalised; last (N,) as in `Samples`. mask_padding: whether the repeated last
    action behind an episode's end is left out of the loss; upstream counts it.
    """

    def __init__(self, proprio: np.ndarray, actions: np.ndarray, last: np.ndarray, horizon: int, mask_padding: bool = True) -> None:
        self.proprio, self.actions, self.last = proprio, actions, last
        self.horizon, self.mask_padding = horizon, mask_padding

    @classmethod
    def of(cls, samples: Samples, statistics: Statistics, robot: Embodiment, mask_padding: bool = True) -> Targets:
        proprio = statistics.normalise_proprio(samples.proprio).astype(np.float32)
        actions = statistics.normalise_actions(samples.actions, robot.action.gripper_dims).astype(np.float32)
        return cls(proprio, actions, samples.last, robot.action.horizon, mask_padding)

    def __call__(self, rows: np.ndarray) -> Target:
        index = rows[:, None] + np.arange(self.horizon)
        last = self.last[rows][:, None]
        valid = index <= last if self.mask_padding else np.ones(index.shape, bool)
        return Target(
            torch.from_numpy(self.proprio[rows]), torch.from_numpy(self.actions[np.minimum(index, last)]), torch.from_numpy(valid)
        )


class ChunkTargets:
    """The same where whole chunks are known: proprio (N, P) and chunks (N, H, A), normalised. Raises InputError naming a row
    that is not finite."""

    def __init__(self, proprio: np.ndarray, chunks: np.ndarray) -> None:
        if len(proprio) != len(chunks) or not len(chunks):
            raise InputError(f"training samples need equal, non-zero counts; got {len(proprio)} and {len(chunks)}")
        for name, values in (("proprio", proprio), ("actions", chunks)):
            if not np.isfinite(values).all():
                raise InputError(f"{name} of training sample {int(np.argwhere(~np.isfinite(values))[0][0])} is not finite")
        self.proprio, self.chunks = proprio.astype(np.float32), chunks.astype(np.float32)

    def __len__(self) -> int:
        return len(self.chunks)

    def __call__(self, rows: np.ndarray) -> Target:
        chunks = torch.from_numpy(self.chunks[rows])
        return Target(torch.from_numpy(self.proprio[rows]), chunks, torch.ones(chunks.shape[:2], dtype=torch.bool))


class Prompts:
    """Token ids of every instruction. Raises InputError for one that makes the prompt longer than the model reads."""

    def __init__(self, instructions: Sequence[str], tokenizer: PreTrainedTokenizerBase, config: VlaserConfig) -> None:
        self._pad = tokenizer.pad_token_id
        self._ids = []
        for text in instructions:
            ids = tokenizer(policy_prompt(text, config.image_tokens, config.views), add_special_tokens=False)["input_ids"]
            if len(ids) > config.max_prompt_tokens:
                raise InputError(f"the prompt of {text[:60]!r} takes {len(ids)} tokens, the model reads {config.max_prompt_tokens}; shorten the instruction")
            self._ids.append(ids)
        self.longest = max(len(ids) for ids in self._ids)

    def __call__(self, wording: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """ids (B, T) right-padded to the longest of them, and which are real (B, T)."""
        rows = [self._ids[index] for index in wording]
        width = max(len(ids) for ids in rows)
        ids = torch.full((len(rows), width), self._pad, dtype=torch.int64)
        mask = torch.zeros(len(rows), width, dtype=torch.bool)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = torch.tensor(row)
            mask[place, : len(row)] = True
        return ids, mask
