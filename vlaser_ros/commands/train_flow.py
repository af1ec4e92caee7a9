"""`vlaser train flow`: stage 2 from a recipe; what a person should know on stderr, the result as a JSON line last."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from vlaser_core.train.flow_recipe import FlowRecipe

if TYPE_CHECKING:
    from vlaser_core.checkpoint.folder import Checkpoint
    from vlaser_core.data.robot.episode import RobotData
    from vlaser_core.embodiment import Embodiment


def train_flow(recipe: FlowRecipe, only_json: bool) -> int:
    """Train; with `only_json` nothing but the result is said."""
    if any(text.startswith("bag:") for text in recipe.source.data):
        import rclpy  # noqa: F401 - first: where ROS 2 comes as wheels, its import may restart the interpreter
    from vlaser_core.train.flow_stage import flow

    console = Console(stderr=True, quiet=only_json)
    result = flow(
        recipe,
        say=lambda text: console.print(text, highlight=False, soft_wrap=True),
        more={"bag": open_bags},
        evaluate=_Tabletop(recipe.evaluate_episodes) if recipe.evaluate_every else None,
    )
    from vlaser_core.train.processes import join

    if join(recipe.device).leader:
        if not only_json:
            console.print(f"look at it: vlaser eval bag RECORDING --checkpoint {result.checkpoint}", highlight=False, soft_wrap=True)
            console.print(f"drive: vlaser up {result.embodiment} checkpoint:={result.checkpoint}", highlight=False, soft_wrap=True)
        print(json.dumps(dataclasses.asdict(result)))
    return 0


def open_bags(root: Path, recipe: FlowRecipe, robot: Embodiment) -> RobotData:
    """Bags below `root` of the robot that is to learn."""
    from vlaser_ros.bags.episodes import BagEpisodes
    from vlaser_ros.commands.settings import read_settings

    source = recipe.source
    return BagEpisodes(root, recipe.embodiment or "", read_settings(source.image_topic), source.joint_topic, source.instruction, robot)


class _Tabletop:
    """Closed-loop success on a few unseen scenes of each task, with a world that stays open between calls."""

    def __init__(self, episodes: int) -> None:
        self._episodes, self._world = episodes, None

    def __call__(self, checkpoint: Checkpoint) -> Mapping[str, float]:
        from sim_bridge.tabletop.evaluate import run_episode
        from sim_bridge.tabletop.tasks import TASKS
        from sim_bridge.tabletop.world import Tabletop
        from vlaser_core.engine import Engine

        if self._world is None:
            self._world = Tabletop("auto")
        engine = Engine(checkpoint)
        policy = lambda observation, instruction, seed: engine.predict(observation, instruction, seed=seed)  # noqa: E731
        shares = {}
        for task in TASKS:
            done = [run_episode(self._world, policy, task, seed).success for seed in range(self._episodes)]
            shares[f"success/{task}"] = sum(done) / len(done)
        return {"success": sum(shares.values()) / len(shares), **shares}
