"""What people are shown: the path where the arm goes, what was found, in words what became of it; and nothing for nobody."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from diagnostic_msgs.msg import DiagnosticStatus  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from vlaser_msgs.msg import ChunkVerdict  # noqa: E402

from vlaser_core.embodiment import load_embodiment  # noqa: E402
from vlaser_core.processing.path import grasp_path, grasp_points  # noqa: E402
from vlaser_core.processing.proprio import proprio_from_joints  # noqa: E402
from vlaser_core.projection import project  # noqa: E402
from vlaser_core.reasoning.draw import BLUE, GREEN, ORANGE, RED  # noqa: E402
from vlaser_core.reasoning.types import Grounding  # noqa: E402
from vlaser_core.types import ActionChunk, Observation  # noqa: E402
from vlaser_ros.images import from_compressed  # noqa: E402
from vlaser_ros.messages import chunk_message  # noqa: E402
from vlaser_ros.server.annotate import REMEMBERED, Annotator, chosen_camera  # noqa: E402
from vlaser_ros.server.views import View  # noqa: E402

ROBOT = load_embodiment("widowx")
HOME = np.array(ROBOT.arms[0].home)
ACTIONS = np.tile([0.02, 0.015, 0.0, 0.0, 0.0, 0.0, 1.0], (4, 1))
YES, NO = ChunkVerdict(accepted=True), ChunkVerdict(accepted=False, code=404, reason="step 1 moves 0.1 m")
LOST = dataclasses.replace(ROBOT, cameras=(dataclasses.replace(ROBOT.cameras[0], position=None),))


class Topic:
    """A publisher with a number of readers; `sent` are the pictures (h, w, 3) that went out."""

    def __init__(self) -> None:
        self.readers, self.sent, self.headers = 1, [], []

    def get_subscription_count(self) -> int:
        return self.readers

    def publish(self, message) -> None:
        self.sent.append(from_compressed(message).astype(int))
        self.headers.append(message.header)


class Stage:
    def __init__(self) -> None:
        self.topic, self.clock, self.told, self.on = Topic(), 100.0, [], True
        self.annotator = Annotator(self.topic, lambda: self.on, self.told.append, lambda: self.clock)

    def show(self, verdict, actions=ACTIONS, robot=ROBOT, steps: int = 4) -> np.ndarray:
        blank = np.full((480, 640, 3), 90, np.uint8)
        view = View(Observation({"image_0": blank}, proprio_from_joints(ROBOT, HOME, np.ones(1)), 50.0), {"image_0": Header(frame_id="eye")})
        chunk = chunk_message(ActionChunk(actions, 50.0, 0.2, 0.01), ROBOT, sequence=1, goal_id="g", executed_steps=steps)
        self.annotator.decided(robot, view, chunk, verdict, " put carrot on plate ")
        return self.topic.sent[-1] if self.topic.sent else blank

    def level(self, robot=ROBOT) -> tuple[bytes, str]:
        told = self.annotator.status("vlaser_server", "widowx", robot)
        return told.level, told.message


@pytest.fixture
def stage() -> Stage:
    return Stage()


def pixels(actions=ACTIONS) -> np.ndarray:
    return project(ROBOT.cameras[0], grasp_path(ROBOT, grasp_points(ROBOT, HOME), actions)[:, 0], 640, 480)


def coloured(picture: np.ndarray, colour, rows=slice(40, 440)) -> np.ndarray:
    """Where the picture has a colour, the words at its head and foot blackened."""
    shown = np.zeros(picture.shape[:2], bool)
    shown[rows] = np.abs(picture[rows] - colour).max(axis=2) < 70
    return shown


def test_an_accepted_path_is_drawn_where_the_arm_will_be_seen(stage):
    drawn = coloured(stage.show(YES), GREEN)
    for x, y in pixels()[1:4]:
        assert drawn[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3].any(), (x, y)
    rows, columns = np.nonzero(drawn)
    assert np.abs(columns - pixels()[:, 0].mean()).max() < 120 and np.abs(rows - pixels()[:, 1].mean()).max() < 120


def test_open_closed_refused_and_only_asked_for_have_their_colours(stage):
    closing = ACTIONS.copy()
    closing[2:, 6] = 0.0
    picture = stage.show(YES, closing)
    assert coloured(picture, GREEN).any() and coloured(picture, ORANGE).any()
    for verdict, colour, others in ((NO, RED, (GREEN, BLUE)), (None, BLUE, (GREEN, RED))):
        picture = stage.show(verdict)
        assert coloured(picture, colour).sum() > 20 and not any(coloured(picture, other).any() for other in others)


def test_only_the_steps_that_are_meant_are_drawn(stage):
    x, y = (round(float(value)) for value in pixels()[4])
    near = (slice(y - 3, y + 4), slice(x - 3, x + 4))
    assert coloured(stage.show(YES), GREEN)[near].any() and not coloured(stage.show(YES, steps=1), GREEN)[near].any()


def test_nothing_is_drawn_for_nobody_or_where_it_is_switched_off(stage, monkeypatch):
    monkeypatch.setattr(Annotator, "_draw", lambda *_: pytest.fail("drew for nobody"))
    stage.topic.readers = 0
    stage.show(YES)
    stage.annotator.said(np.zeros((4, 4, 3), np.uint8), Header(), "carrot")
    stage.topic.readers, stage.on = 1, False
    stage.show(YES)


def test_a_camera_without_calibration_gets_its_picture_without_a_path_and_the_diagnostics_say_so(stage):
    picture = stage.show(YES, robot=LOST)
    assert not coloured(picture, GREEN).any() and len(stage.topic.sent) == 1
    level, words = stage.level(LOST)
    assert level == DiagnosticStatus.WARN and "no path is drawn: camera 'image_0' cannot project: its contract lacks position" in words
    stage.topic.readers = 0
    assert stage.level(LOST)[0] == DiagnosticStatus.OK and stage.level()[1] == "drawn"


def test_what_was_found_stays_a_while_on_pictures_of_its_camera(stage):
    found = Grounding("carrot", ((700, 100, 900, 300),), (), ("carrot",), (), "", 640, 480)
    stage.annotator.said(np.full((480, 640, 3), 90, np.uint8), Header(frame_id="eye"), "carrot", [found])
    box = (slice(40, 160), slice(440, 585))
    assert coloured(stage.topic.sent[-1], GREEN)[box].any()
    assert coloured(stage.show(NO), GREEN)[box].any()
    stage.clock += REMEMBERED + 0.1
    assert not coloured(stage.show(NO), GREEN)[box].any()


def test_a_wild_chunk_is_drawn_and_ends_nothing(stage):
    for value in (1e30, 1e308):
        wild = ACTIONS.copy()
        wild[1:, :3] = value
        stage.show(NO, wild)
    assert len(stage.topic.sent) == 2 and stage.told == []


def test_a_picture_that_cannot_be_drawn_is_told_and_ends_nothing(stage):
    for _ in range(2):
        stage.annotator.said(np.zeros((4, 4), np.float32), Header(), "carrot")
    assert len(stage.told) == 1 and "could not be drawn" in stage.told[0]
    assert stage.level()[0] == DiagnosticStatus.WARN
    stage.show(YES)
    assert stage.level() == (DiagnosticStatus.OK, "drawn")


def test_a_small_picture_is_shown_large_enough_to_read(stage):
    stage.annotator.said(np.full((128, 128, 3), 90, np.uint8), Header(), "Where is the carrot?", [], "On the plate.")
    picture = stage.topic.sent[-1]
    assert picture.shape == (512, 512, 3)
    assert (picture[:30] > 180).any() and (picture[-30:] > 180).any() and not (picture[60:-60] > 180).any(), "words above and below"


def test_the_first_calibrated_camera_is_drawn_on():
    lost = dataclasses.replace(ROBOT.cameras[0], name="wrist", position=None)
    robot = dataclasses.replace(ROBOT, cameras=(lost, ROBOT.cameras[0]))
    assert chosen_camera(robot, ["wrist", "image_0"]).name == "image_0" and chosen_camera(robot, ["wrist"]).name == "wrist"
