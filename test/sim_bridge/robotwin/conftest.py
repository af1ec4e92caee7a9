"""A stand-in checkout of RoboTwin: the interface its evaluation uses, without scenes, and a policy that always pushes on.

The task succeeds when the first joint has been pushed to 0.95; each action raises it by what it asks for. A file `behaviour.json` says what a
seed does: fail its expert, be unstable, kill its process, fall silent.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vlaser_core.embodiment import load_embodiment
from vlaser_core.serve.background import in_background
from vlaser_core.serve.keys import default_keys
from vlaser_core.serve.settings import Settings
from vlaser_core.types import ActionChunk

BASE_TASK = '''
import json, os, signal, time
from pathlib import Path
import numpy as np
from .utils.create_actor import UnStableError
from ._GLOBAL_CONFIGS import CONFIGS_PATH

class Base_Task:
    def setup_demo(self, now_ep_num, seed, is_test, **kwags):
        assert is_test and kwags["eval_mode"] and kwags["data_type"]["rgb"] and kwags["data_type"]["qpos"]
        assert kwags["left_embodiment_config"]["robot"] == "stand-in" and kwags["head_camera_w"] == 320
        np.random.seed(seed)
        self.task_name, self.seed, self.plan_success = kwags["task_name"], seed, True
        self.state, self.take_action_cnt, self.eval_success, self.step_lim = np.zeros(14), 0, False, 40
        self.instruction, self.eval_video_path, self.render_freq = None, kwags.get("eval_video_save_dir"), kwags["render_freq"]
        self._did("set_up")
        if seed in self._behaviour("unstable"):
            raise UnStableError("it wobbles")

    def play_once(self):
        if self.seed in self._behaviour("expert_raises"):
            raise RuntimeError("no path")
        self.state[0] = 0.0 if self.seed in self._behaviour("expert_fails") else 1.0
        return {"info": {"{A}": "bell"}}

    def check_success(self):
        return bool(self.state[0] >= 0.95)

    def close_env(self, clear_cache=False):
        pass

    def set_instruction(self, instruction=None):
        self.instruction = instruction

    def get_instruction(self):
        return self.instruction

    def get_obs(self):
        def camera(colour):
            return {"rgb": np.full((240, 320, 3), colour, np.uint8), "intrinsic_cv": np.eye(3)}
        cameras = {"head_camera": camera((200, 30, 90)), "left_camera": camera((1, 2, 3)), "right_camera": camera((4, 5, 6))}
        joints = {"left_arm": self.state[:6].tolist(), "left_gripper": self.state[6], "right_arm": self.state[7:13].tolist(),
                  "right_gripper": self.state[13], "vector": self.state.copy()}
        return {"observation": cameras, "pointcloud": [], "joint_action": joints, "endpose": {}}

    def take_action(self, action, action_type="qpos"):
        if self.take_action_cnt == self.step_lim or self.eval_success:
            raise AssertionError("an action after the end")
        assert np.shape(action) == (14,) and action_type == "qpos"
        self._did("action")
        self.take_action_cnt += 1
        self.state = np.asarray(action, dtype=float)
        print(f"step: {self.take_action_cnt} / {self.step_lim}", end="\\r")
        if self.seed in self._behaviour("dies") and self._first_time("dies"):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.seed in self._behaviour("dies_always"):
            os._exit(7)
        if self.seed in self._behaviour("hangs") and self._first_time("hangs"):
            time.sleep(600)
        self.eval_success = self.check_success()

    def _behaviour(self, name):
        return json.loads(Path("behaviour.json").read_text()).get(name, [])

    def _first_time(self, name):
        mark = Path(f"{name}-{self.seed}")
        new = not mark.exists()
        mark.touch()
        return new

    def _did(self, what):
        pass
'''
DESCRIBE = '''
def generate_episode_descriptions(task_name, episodes, max_descriptions):
    (info,) = episodes
    return [{"seen": [f"ring the {info['{A}']}"], "unseen": [f"press the {info['{A}']}", f"touch the {info['{A}']}"]}]
'''
TASK_CONFIG = "embodiment: [aloha-agilex]\nclear_cache_freq: 5\nrender_freq: 0\ncamera: {head_camera_type: D435}\ndata_type: {rgb: false}\n"


def write(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@pytest.fixture
def checkout(tmp_path) -> Path:
    """RoboTwin in its layout until July 2026, beside an XPolicyLab."""
    root = tmp_path / "RoboTwin"
    task = "from ._base_task import Base_Task\nclass {0}(Base_Task):\n    pass\n"
    write(
        root,
        {
            "script/eval_policy.py": "",
            "policy/ACT/__init__.py": "",
            "envs/__init__.py": "from ._GLOBAL_CONFIGS import *\n",
            "envs/_GLOBAL_CONFIGS.py": f'CONFIGS_PATH = "{root}/task_config/"\n',
            "envs/_base_task.py": BASE_TASK,
            "envs/utils/__init__.py": "",
            "envs/utils/create_actor.py": "class UnStableError(Exception):\n    pass\n",
            "envs/click_bell.py": task.format("click_bell"),
            "envs/shake_bottle.py": task.format("shake_bottle"),
            "description/utils/generate_episode_instructions.py": DESCRIBE,
            "task_config/demo_randomized.yml": TASK_CONFIG,
            "task_config/franka.yml": TASK_CONFIG.replace("aloha-agilex", "franka-panda"),
            "task_config/_embodiment_config.yml": "aloha-agilex: {file_path: ./assets/embodiments/aloha-agilex/}\n",
            "task_config/_camera_config.yml": "D435: {fovy: 37, w: 320, h: 240}\n",
            "assets/embodiments/aloha-agilex/config.yml": "robot: stand-in\n",
            "behaviour.json": "{}",
            "XPolicyLab/setup_policy_server.py": "",
            "XPolicyLab/model_template.py": "class ModelTemplate:\n    def __init__(self):\n        self.model = None\n",
            "XPolicyLab/policy/demo_policy/eval.sh": "#!/bin/bash\n",
            "XPolicyLab/policy/demo_policy/setup_eval_policy_server.sh": "#!/bin/bash\n",
            "XPolicyLab/policy/demo_policy/setup_eval_env_client.sh": "#!/bin/bash\n",
        },
    )
    return root


@pytest.fixture
def behave(checkout):
    """What seeds do: behave(unstable=[100000], dies=[100002])."""
    return lambda **seeds: (checkout / "behaviour.json").write_text(json.dumps(seeds))


class Pusher:
    """Raises the first joint by a tenth a step from where it is; keeps what it was shown."""

    def __init__(self, robot: str = "robotwin", views: int = 3) -> None:
        self.embodiment = load_embodiment(robot)
        self.cameras = tuple(camera.name for camera in self.embodiment.cameras[:views])
        self.shown: list[tuple] = []

    def predict(self, observation, instruction, *, seed=None) -> ActionChunk:
        self.shown.append((observation, instruction, seed))
        action = self.embodiment.action
        actions = np.tile(observation.proprio, (action.horizon, 1))
        actions[:, 0] += 0.1 * np.arange(1, action.horizon + 1)
        return ActionChunk(actions, observation.stamp, action.dt, 0.001)


@pytest.fixture
def pusher() -> Pusher:
    return Pusher()


@pytest.fixture
def served(pusher):
    with in_background(pusher, default_keys(pusher.embodiment), Settings(port=0), checkpoint="test") as server:
        yield server
