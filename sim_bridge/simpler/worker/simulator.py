"""SimplerEnv behind three calls: begin an episode, take actions, and (for scripted oracles alone) tell the truth.

Runs in the simulator's Python. Poses that leave here are 4×4 matrices in the frame of the robot's base link, metres.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections import OrderedDict
from pathlib import Path

import numpy as np


class Simulator:
    """One environment at a time, kept while episodes ask for the same one and built anew otherwise.

    Raises ImportError where the simulator is not installed, or where another copy than `checkout`'s would be imported.
    """

    def __init__(self, checkout: str) -> None:
        self.root = Path(checkout).resolve() / "ManiSkill2_real2sim"
        sys.path[:0] = [str(self.root), str(self.root.parent)]
        import gymnasium
        import mani_skill2_real2sim

        if self.root not in Path(mani_skill2_real2sim.__file__).resolve().parents:
            raise ImportError(f"{mani_skill2_real2sim.__file__} was imported, expected the copy in {self.root}")
        import mani_skill2_real2sim.envs  # noqa: F401 - registers the environments
        import sapien.core as sapien

        self._gym, self.versions = gymnasium, {"gymnasium": gymnasium.__version__, "sapien": getattr(sapien, "__version__", "") or _version("sapien")}
        self.renderer = self._probe(sapien)
        self._env, self._built, self._camera = None, None, ""

    def _probe(self, sapien) -> str:
        """The graphics device that draws, as the renderer names it. Later renderers of the process share its context."""
        with _Captured() as captured:
            sapien.SapienRenderer.set_log_level("info")
            try:
                self._first = sapien.SapienRenderer(offscreen_only=True)
            finally:
                sapien.SapienRenderer.set_log_level("warn")
        devices = re.findall(r"^\s*\d+\s+(\S.*?)\s+\d\s+1\s+\d\s", captured.text, re.M)
        return devices[0] if devices else "unknown"

    def episode(self, env_id: str, build: dict, reset: dict, seed: int, camera: str) -> tuple[dict, dict]:
        """Begin an episode. `{data}` in build's strings is the folder of assets.

        The scene is always loaded afresh: what an earlier episode left in the physics engine must not decide this one.
        """
        key = (env_id, repr(build))
        if self._built != key:
            self._close()
            ready = {name: value.replace("{data}", str(self.root / "data")) if isinstance(value, str) else value for name, value in build.items()}
            self._env = self._gym.make(env_id, obs_mode="rgbd", renderer_kwargs={"offscreen_only": True}, **ready)
            self._built = key
        self._camera, self._over = camera, False
        observation, _ = self._env.reset(seed=seed, options={**reset, "reconfigure": True})
        return self._state(), {**self._robot(), "image": self._image(observation)}

    def act(self, actions: np.ndarray, every: bool) -> tuple[dict, dict]:
        """Take actions (n, 7) one after the other until the episode's time is up; success: the flag after each that was taken.

        every: a picture after each, else only after the last: rendering does not touch the physics, and takes most of the time.
        """
        if self._env is None or self._over:
            raise RuntimeError("no episode is running")
        world = self._env.unwrapped
        success, images = [], []
        last = min(len(actions), self._steps_left()) - 1
        for index, action in enumerate(actions):
            blind = not every and index < last
            if blind:
                world.get_obs = lambda: OrderedDict(image=OrderedDict())
            try:
                observation, _, done, truncated, info = self._env.step(np.asarray(action, dtype=np.float64))
            finally:
                if blind:
                    del world.get_obs
            success.append(bool(done))
            if not blind:
                images.append(self._image(observation))
            if truncated:
                self._over = True
                break
        stats = {name: _plain(value) for name, value in dict(info.get("episode_stats", {})).items()}
        return {**self._state(), "success": success, "stats": stats}, {**self._robot(), "image": images[-1], **({"images": np.stack(images)} if every else {})}

    def truth(self) -> tuple[dict, dict]:
        """What no policy may know: things by their role, with places (centres of mass), rotations, and sizes along their own axes."""
        world = self._env.unwrapped
        to_base = np.linalg.inv(world.agent.base_pose.to_transformation_matrix())
        things = _things(world)
        poses = []
        for _, actor, _ in things:
            pose = to_base @ actor.pose.to_transformation_matrix()
            pose[:3, 3] = (to_base @ actor.pose.transform(actor.cmass_local_pose).to_transformation_matrix())[:3, 3]
            poses.append(pose)
        arrays = {"poses": np.array(poses, dtype=float).reshape(-1, 4, 4), "sizes": np.array([size for _, _, size in things], dtype=float).reshape(-1, 3)}
        return {"things": [role for role, _, _ in things]}, {**self._robot(), **arrays}

    def _state(self) -> dict:
        world = self._env.unwrapped
        return {"instruction": str(world.get_language_instruction()), "steps_left": self._steps_left(), "over": self._over}

    def _steps_left(self) -> int:
        return int(self._env.spec.max_episode_steps) - int(self._env.unwrapped.elapsed_steps)

    def _robot(self) -> dict:
        """End effector in the base link's frame (4, 4), gripper openness, and joint positions as the simulator orders them."""
        world = self._env.unwrapped
        agent = world.agent
        closed = agent.gripper_closedness if hasattr(agent, "gripper_closedness") else agent.get_gripper_closedness()
        pose = np.linalg.inv(agent.base_pose.to_transformation_matrix()) @ world.tcp.pose.to_transformation_matrix()
        return {"eef": np.asarray(pose, dtype=float), "openness": np.array([1.0 - float(closed)]), "joints": np.asarray(agent.robot.get_qpos(), dtype=float)}

    def _image(self, observation: dict) -> np.ndarray:
        return np.ascontiguousarray(observation["image"][self._camera]["rgb"], dtype=np.uint8)

    def _close(self) -> None:
        if self._env is not None:
            self._env.close()
        self._env = self._built = None


def _things(world) -> list[tuple[str, object, np.ndarray]]:
    """Role, actor and size (m) of what the task is about."""
    if getattr(world, "episode_source_obj", None) is not None:
        sizes = {actor.name: size for actor, size in zip(world.episode_objs, world.episode_model_bbox_sizes)}
        return [(role, actor, sizes[actor.name]) for role, actor in (("source", world.episode_source_obj), ("target", world.episode_target_obj))]
    if getattr(world, "obj", None) is not None and world.model_bbox_size is not None:
        return [("source", world.obj, world.model_bbox_size)]
    return []


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value if isinstance(value, (bool, int, float, str)) else str(value)


def _version(package: str) -> str:
    from importlib.metadata import version

    return version(package)


class _Captured:
    """What is printed meanwhile, C++ included; it still reaches the worker's output afterwards."""

    text = ""

    def __enter__(self) -> _Captured:
        self._file = tempfile.TemporaryFile()
        sys.stdout.flush(), sys.stderr.flush()
        self._kept = [os.dup(number) for number in (1, 2)]
        for number in (1, 2):
            os.dup2(self._file.fileno(), number)
        return self

    def __exit__(self, *_: object) -> None:
        for number, kept in zip((1, 2), self._kept):
            os.dup2(kept, number)
            os.close(kept)
        self._file.seek(0)
        self.text = self._file.read().decode(errors="replace")
        self._file.close()
        sys.stderr.write(self.text)
