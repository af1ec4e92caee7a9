"""Core types come back from their messages as they went in."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from std_msgs.msg import Header  # noqa: E402
from vlaser_msgs.msg import ActionChunk as ChunkMessage  # noqa: E402
from vlaser_msgs.msg import ResultCode  # noqa: E402

from vlaser_core.embodiment import load_embodiment  # noqa: E402
from vlaser_core.errors import InputError  # noqa: E402
from vlaser_core.reasoning.types import Grounding, PlanStep  # noqa: E402
from vlaser_core.types import ActionChunk, JointWaypoints  # noqa: E402
from vlaser_ros import messages  # noqa: E402
from vlaser_ros.safety.gate import GateCode  # noqa: E402

ROBOT = load_embodiment("widowx")


def test_a_chunk_keeps_every_number_and_the_observation_time():
    chunk = ActionChunk(np.random.default_rng(0).normal(size=(4, 7)), 1700000000.123456, 0.2, 0.05)
    message = messages.chunk_message(chunk, ROBOT, sequence=7, goal_id="ab", executed_steps=2)
    back = messages.core_chunk(message)
    np.testing.assert_array_equal(back.actions, chunk.actions)
    assert back.stamp == pytest.approx(chunk.stamp, abs=1e-6) and back.dt == 0.2 and message.executed_steps == 2
    assert message.header.frame_id == "base_link" and list(message.names) == list(ROBOT.action.names)


def test_data_that_do_not_fill_the_horizon_are_refused():
    with pytest.raises(InputError, match="13 numbers.*4 × 7"):
        messages.proposal(ChunkMessage(horizon=4, names=list(ROBOT.action.names), data=[0.0] * 13))


def test_more_executed_steps_than_the_chunk_has_are_refused():
    with pytest.raises(InputError, match="5 executed steps"):
        messages.chunk_message(ActionChunk(np.zeros((4, 7)), 1.0, 0.2, 0.0), ROBOT, sequence=1, goal_id="", executed_steps=5)


def test_a_trajectory_has_fingers_in_driver_units_and_due_times_from_the_observation():
    waypoints = JointWaypoints(np.arange(12.0).reshape(2, 6), np.array([[1.0], [0.0]]), np.tile(np.eye(4), (2, 1, 1)), 50.25, 0.2)
    message = messages.joint_trajectory(ROBOT, waypoints)
    assert list(message.joint_names) == [*ROBOT.joint_names, "left_finger"]
    assert messages.to_seconds(message.header.stamp) == 50.25
    assert [messages.to_seconds(point.time_from_start) for point in message.points] == pytest.approx([0.2, 0.4])
    assert [point.positions[6] for point in message.points] == [0.037, 0.015]


def test_grounding_keeps_boxes_points_labels_scores_and_refused_text():
    found = Grounding("cup", ((100, 200, 300, 400),), ((500, 600),), ("cup", "cup"), (0.5, 0.25), "raw", 320, 240, ("[9 9",))
    message = messages.grounding_message(found, Header(frame_id="camera"))
    assert messages.core_grounding(message) == found
    assert message.detections[0].box.pixel_x2 == pytest.approx(96.0) and message.detections[1].point.pixel_y == pytest.approx(144.0)
    assert (message.detections[0].point.x, message.detections[0].point.y) == (200, 300)


def test_missing_scores_are_nan_on_the_wire_and_missing_again_after_it():
    found = Grounding("cup", ((1, 2, 3, 4),), (), ("cup",), (), "", 10, 10)
    message = messages.grounding_message(found, Header())
    assert np.isnan(message.detections[0].score)
    assert messages.core_grounding(message) == found


def test_a_plan_step_carries_its_point_in_pixels():
    message = messages.plan_step_message(PlanStep("pick it", None, (250, 500)), Header(), 320, 240)
    assert message.target == "" and message.point[0].pixel_x == 80.0 and message.point[0].pixel_y == 120.0 and not message.grounding


def test_gate_codes_are_the_message_constants():
    for code in GateCode:
        name = "NONE" if code is GateCode.ACCEPTED else f"GATE_{code.name}"
        assert getattr(ResultCode, name) == code.value


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1.0])
def test_a_time_that_is_none_is_refused(bad):
    with pytest.raises(InputError, match="no ROS time"):
        messages.to_time(bad)


def test_a_request_that_names_no_seed_asks_for_fresh_noise():
    from vlaser_msgs.action import Execute
    from vlaser_msgs.srv import Predict

    assert Execute.Goal().seed == Predict.Request().seed == -1, "as `ros2 action send_goal` sends it"
