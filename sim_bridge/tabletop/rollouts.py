"""States a policy gets itself into, labelled with what the scripted expert would do there (DAgger).

Shards are those of recorded scenes (see vlaser_core.data.scenes), one an episode.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from sim_bridge.tabletop.expert import ScriptedExpert
from sim_bridge.tabletop.record import TRUTH_SIZE, policy_picture, write_whole
from sim_bridge.tabletop.world import Tabletop
from sim_bridge.world import execute
from vlaser_core.errors import KinematicsError
from vlaser_core.processing.actions import joint_waypoints
from vlaser_core.types import ActionChunk, Observation

MARGIN_STEPS = 12  # policy steps recorded after success, so that staying away is learned too


def record_rollouts(
    out: Path,
    task: str,
    episodes: int,
    seed: int,
    renderer: str,
    policy: Callable[[Observation, str, int], ActionChunk],
    size: int = 128,
    expert_share: float = 0.0,
) -> None:
    """Let `policy(observation, instruction, chunk_seed)` drive `episodes` episodes and write one shard each; resumes by file.

    Every view is stored, with the expert's chunk for it. With probability `expert_share` a chunk of the expert is executed
    instead of the policy's, which carries a weak policy on to the later phases of the task.
    """
    world = Tabletop(renderer)
    for episode in range(episodes):
        shard = out / f"{seed + episode:08d}.npz"
        if shard.exists():
            continue
        world.reset(task, seed + episode)
        expert, rng = ScriptedExpert(world), np.random.default_rng((seed, episode))
        images, proprio, chunks, joints_seen, truths = [], [], [], [], []
        taken, since_success = 0, 0
        while taken < world.max_steps() and since_success < MARGIN_STEPS:
            observation = world.observe()
            joints, _ = world.joint_state()
            wanted = expert.chunk()
            images.append(policy_picture(next(iter(observation.images.values())), size))
            proprio.append(observation.proprio)
            chunks.append(wanted)
            joints_seen.append(joints)
            truths.append(json.dumps(asdict(world.truth(*TRUTH_SIZE))))
            chunk = policy(observation, world.instruction, (seed + episode) * 1000 + taken)
            if rng.random() < expert_share:
                chunk = ActionChunk(wanted, chunk.stamp, chunk.dt, chunk.inference_s)
            try:
                execute(world, joint_waypoints(world.embodiment, chunk, joints))
            except KinematicsError:
                world.advance(len(chunk.actions) * chunk.dt)
            taken += len(chunk.actions)
            since_success = since_success + len(chunk.actions) if world.is_success() else 0
        arrays = {
            "images": np.stack(images),
            "proprio": np.array(proprio, np.float32),
            "chunks": np.array(chunks, np.float32),
            "joints": np.array(joints_seen, np.float32),
        }
        # The pictures last: an episode without them counts as not recorded.
        write_whole(shard.with_suffix(".jsonl"), lambda file, lines=truths: file.write_text("\n".join(lines) + "\n", encoding="utf-8"))
        write_whole(shard, lambda file, content=arrays: np.savez(file, **content))
    world.close()
