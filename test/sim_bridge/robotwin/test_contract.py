"""The robot of RoboTwin: one contract for its data, its simulator and the served policy."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import numpy as np
import pytest

from sim_bridge.robotwin import tasks
from vlaser_core.data.robot.robotwin import JOINTS
from vlaser_core.embodiment import load_embodiment
from vlaser_core.kinematics import Kinematics

ROBOT = load_embodiment("robotwin")
ADAPTER = Path(tasks.__file__).parent


def test_the_contract_is_the_data_readers_robot():
    assert ROBOT.proprio.names == ROBOT.action.names == JOINTS
    assert ROBOT.action.kind == "joints" and ROBOT.action_dim == 14 and ROBOT.action.gripper_dims == (6, 13)
    assert [camera.name for camera in ROBOT.cameras] == ["head_camera", "left_camera", "right_camera"]
    assert ROBOT.action.rate_hz == pytest.approx(250 / 15)


def test_the_arms_reach_forward_side_by_side():
    # At zero both arms are folded; the simulator's end poses at rest lie in front of the base, left of and right of the middle.
    left, right = (Kinematics(arm).forward(np.zeros(6)) for arm in ROBOT.arms)
    assert left[1, 3] > 0.25 and right[1, 3] < -0.25
    assert left[0, 3] == pytest.approx(right[0, 3], abs=0.002) and 0.3 < left[0, 3] < 0.6 and 0.8 < left[2, 3] < 1.1


def test_the_head_camera_looks_down_in_front_of_the_robot():
    from vlaser_core.geometry import matrix_from_quaternion

    forward = matrix_from_quaternion(np.array(ROBOT.cameras[0].orientation_xyzw))[:, 0]
    assert forward == pytest.approx([0.6, 0.0, -0.8], abs=1e-6)


def test_twelve_tasks_are_evaluated_fifty_times():
    assert len(tasks.TASKS) == 12 and tasks.EPISODES == 50 and max(tasks.TASKS.values()) == 700


@pytest.mark.parametrize("name", sorted(path.name for path in [*(ADAPTER / "adapter").glob("*.py"), ADAPTER / "worker.py"]))
def test_what_runs_in_robotwins_environment_needs_the_standard_library_and_numpy(name):
    path = next(found for found in (ADAPTER / "adapter" / name, ADAPTER / name) if found.is_file())
    found = set()
    for node in ast.walk(ast.parse(path.read_text(), feature_version=(3, 8))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.partition(".")[0])
    allowed = {"numpy"} | ({"XPolicyLab"} if name == "model.py" else set()) | ({"yaml"} if name == "worker.py" else set())
    assert found - set(sys.stdlib_module_names) <= allowed
