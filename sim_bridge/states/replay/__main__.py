"""`python -I <this folder> WORKER CHECKOUT EPISODES OUT`: replay actions in SimplerEnv and write down what it knows meanwhile.

Runs in the simulator's own Python: standard library, numpy and the simulator alone. WORKER is the folder of `simulator.py`,
which begins episodes and acts. EPISODES is a JSON list of {name, env_id, build, reset, seed, camera, actions (n, 7), keep}; keep:
after how many actions a frame is kept. For each, OUT/<name>.npz and OUT/<name>.json; `sim_bridge/states/simpler.py` reads them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

GRASP_N_S = 1e-6  # impulse (N·s) of one physics step from which two things touch


def main() -> None:
    worker, checkout, episodes, out = sys.argv[1:]
    sys.path.insert(0, worker)
    from simulator import Simulator

    simulator = Simulator(checkout)
    for episode in json.loads(Path(episodes).read_text()):
        fields, arrays = record(simulator, episode)
        arrays["images"] = np.stack(arrays["images"])
        target = Path(out) / episode["name"]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.with_suffix(".json").write_text(json.dumps(fields))
        np.savez_compressed(target.with_suffix(".npz"), **arrays)
        print(json.dumps({"recorded": episode["name"], "frames": len(arrays["images"])}), flush=True)


def record(simulator, episode: dict) -> tuple[dict, dict]:
    """What does not change, and arrays over the kept frames."""
    state, _ = simulator.episode(episode["env_id"], episode["build"], episode["reset"], episode["seed"], episode["camera"])
    actions, done, success, frames = np.array(episode["actions"], float).reshape(-1, 7), 0, False, []
    world = simulator._env.unwrapped
    fields = describe(world) | {"instruction": state["instruction"]}
    for keep in episode["keep"]:
        if keep > done:
            state, _ = simulator.act(actions[done:keep], False)
            done, success = done + len(state["success"]), bool(state["success"][-1])
        frames.append({**look(world, episode["camera"], fields["things"]), "steps": done, "success": success})
        if done < keep or state["over"]:
            break
    return fields, {name: np.stack([np.asarray(frame[name]) for frame in frames]) for name in frames[0]}


def actors_of(world) -> list:
    """Everything that stands on or around the surface, in a fixed order."""
    return sorted((actor for actor in world.get_actors() if actor.name not in ("", "ground", "goal_site", "arena")), key=lambda actor: actor.name)


def things_of(world) -> list:
    """What is drawn by the simulator; the rest is scenery, which a photograph shows."""
    return [actor for actor in actors_of(world) if actor.name not in world.rgb_always_overlay_objects]


def describe(world) -> dict:
    """What does not change in an episode."""
    source = getattr(world, "episode_source_obj", None)
    target = getattr(world, "episode_target_obj", None)
    base = world.agent.base_pose.to_transformation_matrix()
    return {
        "things": [actor.name for actor in things_of(world)],
        "ids": [int(actor.id) for actor in things_of(world)],
        "robot_ids": [int(link.id) for link in world.agent.robot.get_links()],
        "surface_ids": [int(world.arena.id)],
        "scenery_ids": [int(actor.id) for actor in actors_of(world) if actor not in things_of(world)],
        "surface_height": float(world.scene_table_height - base[2, 3]),
        "source": source.name if source is not None else "",
        "target": target.name if target is not None else "",
        "overlay": str(world.rgb_overlay_path or ""),
    }


def look(world, camera: str, names: list) -> dict:
    """One frame; poses are 4×4 in the base link's frame."""
    things = {actor.name: actor for actor in things_of(world)}
    to_base = np.linalg.inv(world.agent.base_pose.to_transformation_matrix())
    observation = world.get_obs()["image"][camera]
    eye = world._cameras[camera]
    parameters = eye.get_params()
    actors = observation["Segmentation"][..., 1].astype(np.uint16)
    poses, extents, held, support = [], [], [], []
    touching = contacts(world)
    for name in names:
        pose, size = as_it_lies(things[name], to_base)
        poses.append(pose)
        extents.append(size)
        held.append(bool(world.agent.check_grasp(things[name])))
    for name, pose in zip(names, poses):
        below = [other for other in names if (name, other) in touching and poses[names.index(other)][2, 3] < pose[2, 3]]
        support.append(names.index(below[0]) if below else -1 if (name, "arena") in touching else -2)
    closed = world.agent.gripper_closedness if hasattr(world.agent, "gripper_closedness") else world.agent.get_gripper_closedness()
    return {
        "images": np.round(np.clip(observation["Color"][..., :3], 0, 1) * 255).astype(np.uint8),
        "actors": actors,
        "heights": heights(observation, parameters, to_base),
        "alone": [alone(world, eye, actors, things, name) for name in names],
        "poses": np.array(poses),
        "extents": np.array(extents),
        "held": held,
        "support": support,
        "tool": to_base @ world.tcp.pose.to_transformation_matrix(),
        "openness": 1.0 - float(closed),
        "camera": parameters["extrinsic_cv"] @ np.linalg.inv(to_base),
        "intrinsics": parameters["intrinsic_cv"],
    }


def as_it_lies(actor, to_base: np.ndarray) -> tuple:
    """Pose (4, 4) whose place is the middle of the thing, and its extents (3,): along its heading, across, upwards."""
    pose = to_base @ actor.pose.to_transformation_matrix()
    corners = np.concatenate([corners_of(shape) for shape in actor.get_collision_shapes()])
    heading = np.arctan2(pose[1, 0], pose[0, 0])
    turn = np.array([[np.cos(heading), np.sin(heading), 0], [-np.sin(heading), np.cos(heading), 0], [0, 0, 1]])
    level = (corners @ pose[:3, :3].T + pose[:3, 3]) @ turn.T
    low, high = level.min(0), level.max(0)
    pose[:3, 3] = turn.T @ ((low + high) / 2)
    return pose, high - low


def corners_of(shape) -> np.ndarray:
    """Points (n, 3) of a collision shape in its actor's frame, whose hull it is."""
    geometry = shape.geometry
    if hasattr(geometry, "vertices"):
        points = np.asarray(geometry.vertices, float).reshape(-1, 3) * np.asarray(geometry.scale, float)
    elif hasattr(geometry, "half_lengths"):
        points = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * np.asarray(geometry.half_lengths, float)
    else:
        raise TypeError(f"no corners are known of {type(geometry).__name__}")
    local = shape.get_local_pose().to_transformation_matrix()
    return points @ local[:3, :3].T + local[:3, 3]


def contacts(world) -> set:
    """(name, name) of what touches what, both ways."""
    found = set()
    for contact in world._scene.get_contacts():
        if np.linalg.norm(np.sum([point.impulse for point in contact.points], axis=0)) > GRASP_N_S:
            found |= {(contact.actor0.name, contact.actor1.name), (contact.actor1.name, contact.actor0.name)}
    return found


def heights(observation: dict, parameters: dict, to_base: np.ndarray) -> np.ndarray:
    """float32 (h, w): metres above the base link's origin of what each pixel shows of the simulated scene."""
    seen = observation["Position"]  # of the camera, OpenGL axes
    to_world = np.asarray(parameters["cam2world_gl"])
    up = (to_base @ to_world)[2]
    return (seen[..., 0] * up[0] + seen[..., 1] * up[1] + seen[..., 2] * up[2] + up[3]).astype(np.float32)


def alone(world, eye, actors: np.ndarray, things: dict, name: str) -> int:
    """Pixels a thing would show were nothing before it; -1 where nothing borders on it that could hide a part, or it is not seen."""
    mine = actors == things[name].id
    if not mine.any():
        return -1
    near = np.zeros_like(mine)
    near[1:] |= mine[:-1]
    near[:-1] |= mine[1:]
    near[:, 1:] |= mine[:, :-1]
    near[:, :-1] |= mine[:, 1:]
    near[1:, 1:] |= mine[:-1, :-1]
    near[:-1, :-1] |= mine[1:, 1:]
    near[1:, :-1] |= mine[:-1, 1:]
    near[:-1, 1:] |= mine[1:, :-1]
    around = set(np.unique(actors[near & ~mine]).tolist())
    if around <= {0, int(world.arena.id)}:
        return -1
    hidden = [other for other in actors_of(world) if other.name != name] + list(world.agent.robot.get_links())
    for other in hidden:
        other.hide_visual()
    try:
        world.update_render()
        eye.take_picture()
        return int(np.count_nonzero(eye.get_images()["Segmentation"][..., 1] == things[name].id))
    finally:
        for other in hidden:
            other.unhide_visual()


if __name__ == "__main__":
    main()
