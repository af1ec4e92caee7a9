"""The bring-up of a real arm with real processes, up to the messages of the robot's own driver: server, gate, arm driver."""

from __future__ import annotations

import importlib.util
import threading

import numpy as np
import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from sensor_msgs.msg import Image  # noqa: E402
from vlaser_msgs.msg import ResultCode  # noqa: E402

from vlaser_core.embodiment import load_embodiment  # noqa: E402
from vlaser_core.kinematics import Kinematics  # noqa: E402
from vlaser_ros.bringup import compose  # noqa: E402
from vlaser_ros.client import VlaserClient  # noqa: E402
from vlaser_ros.images import to_message  # noqa: E402
from vlaser_ros.messages import header  # noqa: E402
from vlaser_ros.up import Stack  # noqa: E402

pytestmark = [pytest.mark.ros, pytest.mark.slow]
ROBOT = load_embodiment("widowx")
# How late a busy machine is is not the subject here.
PATIENT = {
    "vlaser_server": {"max_observation_age": 3.0, "joint_states_tolerance": 0.5, "observation_timeout": 15.0, "controller_timeout": 20.0, "verdict_timeout": 10.0},
    "chunk_controller": {"max_observation_age": 3.0, "joint_states_tolerance": 0.5, "joint_states_timeout": 3.0, "state_directory": ""},
    "widowx_driver": {"joint_states_timeout": 3.0},
}
interbotix = pytest.mark.skipif(
    importlib.util.find_spec("interbotix_xs_msgs") is None,
    reason="needs interbotix_xs_msgs: pip install ./test/vlaser_ros/drivers/interbotix_xs_msgs",
)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("backend", ["ros2_control", pytest.param("interbotix", marks=interbotix)])
def test_a_goal_moves_the_arm_through_its_own_driver_and_a_robot_that_goes_silent_fails_the_next(room, standins, tmp_path, backend):
    motors = standins.Motors([*ROBOT.joint_names, "gripper", "left_finger", "right_finger"], [*ROBOT.arms[0].home, 0.0, 0.02, -0.02])
    if backend == "interbotix":
        robot = room.add(standins.XsSdk(room.context, "wx250s", motors, mode="linear_position"))
    else:
        robot = room.add(standins.Ros2Control(room.context, "wx250s", motors))
    pictures = robot.create_publisher(Image, "/camera/color/image_raw", 5)
    picture = np.full((48, 64, 3), 90, np.uint8)
    robot.create_timer(0.1, lambda: pictures.publish(to_message(picture, header=header(robot.get_clock().now().nanoseconds * 1e-9, "camera"))))
    threading.Thread(target=room.executor.spin, daemon=True).start()
    specs = compose("widowx", {"engine": "stand_in", "backend": backend})
    for spec in specs:
        spec.parameters.update(PATIENT[spec.executable])
    domain = standins.domain
    with Stack(specs, logs=tmp_path, environment={"ROS_DOMAIN_ID": str(domain)}) as stack, VlaserClient(domain_id=domain, timeout=60.0) as client:
        client.wait_ready(120.0, poll=stack.check)
        assert room.wait(lambda: "is ready" in stack.last_words("widowx_driver", 50)), stack.last_words("widowx_driver", 50)
        kinematics, target = Kinematics(ROBOT.arms[0]), np.array([0.25, 0.0, 0.2])
        before = np.linalg.norm(kinematics.forward(motors.position[:6])[:3, 3] - target)
        result = client.execute("go to the middle", max_chunks=2)
        assert (result.error_code, result.chunks_accepted) == (ResultCode.NONE, 2), (result.error_msg, stack.last_words("widowx_driver", 30))
        after = np.linalg.norm(kinematics.forward(motors.position[:6])[:3, 3] - target)
        assert after < before - 0.05 and "refused" not in stack.last_words("widowx_driver", 100)
        robot.silent = True
        assert room.wait(lambda: "robot failed" in stack.last_words("widowx_driver", 50))
        robot.silent = False
        refused = client.execute("go to the middle", max_chunks=2)
        assert refused.error_code == ResultCode.ROBOT_FAILED and "joint states" in refused.error_msg
    for name in stack.processes:
        assert "Traceback" not in stack.last_words(name, 1000), stack.last_words(name, 1000)
