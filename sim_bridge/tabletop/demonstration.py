"""One episode of the expert, seen at every policy step: the same path from chunk to joints that a policy takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sim_bridge.tabletop.expert import ScriptedExpert
from sim_bridge.tabletop.world import Tabletop
from sim_bridge.world import execute
from vlaser_core.geometry import quaternion_from_matrix
from vlaser_core.processing.actions import joint_waypoints
from vlaser_core.processing.proprio import proprio_from_joints
from vlaser_core.types import ActionChunk, JointWaypoints

HOLD = 3  # policy steps recorded after the expert is done


@dataclass(frozen=True)
class Demonstration:
    """arrays: images uint8 (T, h, w, 3), segmentation uint8 (T, h, w; see `Tabletop.segmentation`), proprio (T, 7), actions
    (T, 7) as executed, chunks (T, H, 7) the expert's answer without noise, joints (T, 6), objects (T, 2, 7) source and
    target as xyz + xyzw, times (T,) s. about: task, seed, renderer, instruction, noise, success, steps and names, for JSON.
    """

    arrays: dict[str, np.ndarray]
    about: dict[str, Any]


def demonstrate(world: Tabletop, task: str, seed: int, noise: float = 0.0) -> Demonstration:
    """Run the expert on `task` from `seed` until it is done or the steps are used up."""
    world.reset(task, seed)
    expert = ScriptedExpert(world, noise, seed)
    rows: list[dict[str, np.ndarray]] = []
    held_still = 0
    while len(rows) < world.max_steps() and held_still < HOLD:
        commanded = expert.perturb(expert.chunk())
        joints, _ = world.joint_state()
        waypoints = joint_waypoints(world.embodiment, ActionChunk(commanded, world.time, world.embodiment.action.dt, 0.0), joints)
        for step, action in enumerate(commanded):
            rows.append(_moment(world, expert, action))
            one = slice(step, step + 1)
            execute(world, JointWaypoints(waypoints.positions[one], waypoints.openness[one], waypoints.poses[one], world.time, waypoints.dt))
            held_still += expert.phase() == "done"
            if held_still >= HOLD or len(rows) >= world.max_steps():
                break
    arrays = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
    source, target = world.things()
    about = {
        "task": task,
        "seed": seed,
        "renderer": world.renderer,
        "instruction": world.instruction,
        "embodiment": world.embodiment.name,
        "rate_hz": world.embodiment.action.rate_hz,
        "noise": noise,
        "steps": len(rows),
        "success": world.is_success(),
        "source": source.name,
        "target": target.name,
    }
    return Demonstration(arrays, about)


def _moment(world: Tabletop, expert: ScriptedExpert, action: np.ndarray) -> dict[str, np.ndarray]:
    camera = world.embodiment.cameras[0]
    joints, openness = world.joint_state()
    state = world.state()
    objects = [np.concatenate([body[:3, 3], quaternion_from_matrix(body[:3, :3])]) for body in (state.source, state.target)]
    return {
        "images": world.render(camera.width, camera.height),
        "segmentation": world.segmentation(camera.width, camera.height).astype(np.uint8),
        "proprio": proprio_from_joints(world.embodiment, joints, openness).astype(np.float32),
        "actions": action.astype(np.float32),
        "chunks": expert.chunk().astype(np.float32),
        "joints": joints.astype(np.float32),
        "objects": np.array(objects, np.float32),
        "times": np.array(world.time),
    }
