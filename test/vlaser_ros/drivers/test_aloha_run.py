"""The whole two-armed stack with real processes: server, controller and the simulated table, no weights."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")
pytest.importorskip("mujoco")

from sensor_msgs.msg import Image, JointState  # noqa: E402
from vlaser_msgs.msg import ResultCode  # noqa: E402

from vlaser_core.embodiment import load_embodiment  # noqa: E402
from vlaser_ros.bringup import compose, load_bringup  # noqa: E402
from vlaser_ros.client import VlaserClient  # noqa: E402
from vlaser_ros.domains import free_domain  # noqa: E402
from vlaser_ros.up import Stack  # noqa: E402

pytestmark = [pytest.mark.ros, pytest.mark.slow]
ROBOT = load_embodiment("aloha")
# Three pictures drawn by software make a busy machine late; how late is not the subject here.
PATIENT = {
    "vlaser_server": {"max_observation_age": 5.0, "joint_states_tolerance": 0.5, "observation_timeout": 20.0, "controller_timeout": 20.0, "verdict_timeout": 10.0},
    "chunk_controller": {"max_observation_age": 5.0, "joint_states_tolerance": 0.5, "joint_states_timeout": 5.0, "state_directory": ""},
}


@pytest.mark.timeout(240)
def test_a_goal_moves_both_arms_of_the_simulated_aloha_through_the_gate(tmp_path):
    specs = compose("aloha", {"sim": "true", "engine": "stand_in", "camera_rate": 2.0})
    for spec in specs:
        spec.parameters.update(PATIENT.get(spec.executable, {}))
    domain = free_domain()
    with Stack(specs, logs=tmp_path, environment={"ROS_DOMAIN_ID": str(domain)}) as stack, VlaserClient(domain_id=domain, timeout=60.0) as client:
        client.wait_ready(120.0, poll=stack.check)
        states, images = [], {}
        client.node.create_subscription(JointState, "/joint_states", lambda message: states.append(dict(zip(message.name, message.position, strict=True))), 10)
        for topic in load_bringup("aloha").topics.images:
            client.node.create_subscription(Image, topic, lambda message, topic=topic: images.setdefault(topic, (message.width, message.height)), 10)
        result = client.execute("close both grippers and wave", max_chunks=3)
        assert (result.error_code, result.chunks_accepted) == (ResultCode.NONE, 3), (result.error_msg, stack.last_words("chunk_controller", 40))
        moved = {name: abs(states[-1][name] - states[0][name]) for name in states[0]}
        assert moved["left_waist"] > 0.1 and moved["right_waist"] > 0.1
        for arm in ROBOT.arms:
            assert arm.gripper.openness(states[0][arm.gripper.joint]) > 0.9 > 0.3 > arm.gripper.openness(states[-1][arm.gripper.joint])
        # Grippers of a joint policy travel: no two joint states are a whole stroke apart.
        fingers = np.array([[state[arm.gripper.joint] for arm in ROBOT.arms] for state in states])
        strokes = [arm.gripper.open_position - arm.gripper.closed_position for arm in ROBOT.arms]
        assert (np.abs(np.diff(fingers, axis=0)).max(axis=0) < 0.8 * np.array(strokes)).all()
        assert set(images.values()) == {(320, 240)} and len(images) == 3
        assert client.world_state().task == "aloha_transfer_cube"
    for name in stack.processes:
        assert "Traceback" not in stack.last_words(name, 1000), stack.last_words(name, 1000)
