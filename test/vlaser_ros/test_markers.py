"""What RViz and Foxglove are given to draw: where a chunk leads, what was refused, and nothing once it is over."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from visualization_msgs.msg import Marker  # noqa: E402

from vlaser_core.embodiment import load_embodiment  # noqa: E402
from vlaser_core.processing.actions import joint_waypoints  # noqa: E402
from vlaser_core.processing.path import grasp_points  # noqa: E402
from vlaser_core.types import ActionChunk  # noqa: E402
from vlaser_ros.joint_history import JointHistory  # noqa: E402
from vlaser_ros.markers import CLOSED, OPEN, PathDisplay, path_markers  # noqa: E402
from vlaser_ros.messages import chunk_message, header, hold_message, to_seconds  # noqa: E402
from vlaser_ros.safety.verdict import GateCode, Verdict  # noqa: E402

ROBOT = load_embodiment("widowx")
HOME = np.array(ROBOT.arms[0].home)
TOP = header(100.0, "base_link")


def actions(dx: float = 0.01) -> np.ndarray:
    chosen = np.tile([dx, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0], (4, 1))
    chosen[2:, 6] = 0.0
    return chosen


def message(chosen: np.ndarray | None = None, steps: int = 4):
    chunk = ActionChunk(actions() if chosen is None else chosen, 100.0, 0.2, 0.01)
    return chunk_message(chunk, ROBOT, sequence=1, goal_id="g", executed_steps=steps)


class Stage:
    """A display, whether it is looked at, and what it shows."""

    def __init__(self) -> None:
        self.joints, self.shown, self.looks = JointHistory(ROBOT), [], True
        self.joints.add(100.0, [*ROBOT.joint_names, "left_finger"], [*HOME, 0.03])
        self.display = PathDisplay(ROBOT, lambda: self.joints, self.shown.append, lambda: self.looks)

    def accept(self) -> None:
        waypoints = joint_waypoints(ROBOT, ActionChunk(actions(), 100.0, 0.2, 0.0), HOME)
        self.display.accepted(Verdict(GateCode.ACCEPTED, "", waypoints, due=100.9), 100.0, 100.1)

    def marker(self, name: str) -> Marker:
        return next(marker for marker in self.shown[-1].markers if marker.ns == name)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def rgb(colour) -> tuple[float, float, float]:
    return tuple(round(float(value), 3) for value in (colour.r, colour.g, colour.b))


def test_an_accepted_chunk_is_a_line_from_where_the_arm_was_seen_and_a_dot_a_step(stage):
    stage.accept()
    line, dots = stage.marker("path"), stage.marker("steps")
    start = grasp_points(ROBOT, HOME)[0]
    assert [(point.x, point.y, point.z) for point in line.points] == [pytest.approx((start[0] + 0.01 * k, start[1], start[2])) for k in range(5)]
    assert len({rgb(colour) for colour in line.colors}) == 5, "a colour a step"
    assert [rgb(colour) for colour in dots.colors] == [OPEN, OPEN, CLOSED, CLOSED]
    assert line.header.frame_id == "base_link" and stage.marker("reason").action == Marker.DELETE
    # A viewer takes it away by itself, after the motion, should the controller be gone by then.
    assert 0.8 < to_seconds(line.lifetime) < 3.0


def test_a_refused_chunk_is_red_and_says_why(stage):
    stage.display.refused(message(), 100.1, "step 3 is outside the workspace")
    line, text = stage.marker("path"), stage.marker("reason")
    assert len(line.points) == 5 and {rgb(colour) for marker in (line, stage.marker("steps")) for colour in marker.colors} == {(1.0, 0.15, 0.1)}
    assert (text.action, text.text) == (Marker.ADD, "step 3 is outside the workspace")


def test_a_refusal_stays_to_be_read_although_the_arm_holds_at_once(stage):
    stage.accept()
    stage.display.refused(message(), 100.2, "step 3 is outside the workspace")
    stage.display.over(100.2)
    assert len(stage.shown) == 2 and 1.0 < to_seconds(stage.marker("reason").lifetime) < 10.0


def test_only_the_steps_that_were_meant_are_shown(stage):
    stage.display.refused(message(steps=2), 100.1, "late")
    assert len(stage.marker("steps").points) == 2


def test_what_is_over_is_deleted_once(stage):
    stage.accept()
    stage.display.over(101.2)
    stage.display.over(101.3)
    assert len(stage.shown) == 2 and [marker.action for marker in stage.shown[1].markers] == [Marker.DELETEALL]


def test_nothing_is_made_while_nobody_looks(stage, monkeypatch):
    stage.looks = False
    monkeypatch.setattr("vlaser_ros.markers.grasp_points", lambda *_: pytest.fail("worked for nobody"))
    stage.accept()
    stage.display.refused(message(), 100.1, "late")
    stage.display.over(101.0)
    assert stage.shown == []


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e308])
def test_a_wild_chunk_is_shown_as_far_as_it_can_be(stage, value):
    chosen = actions()
    chosen[2, 0] = value
    stage.display.refused(message(chosen), 100.1, "not finite")
    assert len(stage.marker("path").points) == 3
    chosen[:, :3] = value
    stage.display.refused(message(chosen), 100.1, "not finite")
    assert stage.marker("path").action == Marker.DELETE and stage.marker("reason").action == Marker.ADD


def test_what_cannot_be_placed_is_not_shown(stage):
    stage.display.refused(hold_message(ROBOT, stamp=100.0, sequence=2, goal_id="g"), 100.1, "an old hold request")
    stage.joints.clear()
    stage.display.refused(message(), 100.1, "no joint states")
    assert stage.shown == []


def test_every_arm_has_its_own_line():
    path = np.zeros((3, 2, 3))
    path[:, 1, 0] = 1.0
    shown = path_markers(TOP, path, np.ones((2, 2)), lifetime=1.0).markers
    lines = [marker for marker in shown if marker.ns == "path"]
    assert [(line.id, line.points[0].x) for line in lines] == [(0, 0.0), (1, 1.0)]
