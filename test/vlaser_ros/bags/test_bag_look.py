"""A moment of a recording: the picture that was shown then, and the robot where its joints were, with the chunk it was on."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

import rclpy  # noqa: F401
from std_msgs.msg import Header, String

from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import InputError
from vlaser_core.kinematics import Kinematics
from vlaser_core.projection import project
from vlaser_core.urdf_description import robot_description
from vlaser_ros.bags.look import HEIGHT, look
from vlaser_ros.bags.scene import RobotScene, looking
from vlaser_ros.cli import run
from vlaser_ros.images import to_compressed
from vlaser_ros.markers import path_markers
from vlaser_ros.messages import header

from visualization_msgs.msg import Marker, MarkerArray

START = 1_700_000_000.0  # s, as the bags of these tests
ROBOT = load_embodiment("widowx")
HOME = dict(zip(ROBOT.joint_names, ROBOT.arms[0].home, strict=True)) | {"left_finger": 0.03}
EYE = looking((0.9, -0.9, 0.7), (0.2, 0.0, 0.15), 640, 480)
RED = (230, 30, 30)
PATH = np.linspace((0.30, 0.0, 0.20), (0.30, 0.0, 0.32), 5)[:, None]


def red(picture: np.ndarray) -> np.ndarray:
    return (picture[..., 0].astype(int) > 200) & (picture[..., 1:].max(axis=2) < 90)


def markers(refused: str = "late"):
    return path_markers(header(START, "base_link"), PATH, np.ones((4, 1)), lifetime=3.0, refused=refused)


@pytest.fixture(scope="module")
def scene() -> RobotScene:
    return RobotScene(robot_description(ROBOT))


def test_the_arm_is_drawn_where_its_joints_are(scene):
    empty = scene.picture(HOME, [], EYE)
    moved = scene.picture(HOME | {"waist": 1.2}, [], EYE)
    for joints, here, gone in ((HOME, empty, moved), (HOME | {"waist": 1.2}, moved, empty)):
        place = Kinematics(ROBOT.arms[0]).forward(np.array([joints[name] for name in ROBOT.joint_names]))[:3, 3]
        x, y = (round(float(value)) for value in project(EYE, place[None])[0])
        window = (slice(y - 25, y + 26), slice(x - 25, x + 26))
        # Fingers are the one light grey thing in it.
        assert (here[window].min(axis=2) > 130).sum() > 20 > (gone[window].min(axis=2) > 130).sum()


def test_markers_are_drawn_where_they_are(scene):
    picture = scene.picture(HOME, markers().markers, EYE)
    rows, columns = np.nonzero(red(picture) & ~red(scene.picture(HOME, [], EYE)))
    pixels = project(EYE, PATH[:, 0])
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    assert len(rows) > 60
    inside = (columns > low[0] - 8) & (columns < high[0] + 8) & (rows > low[1] - 8) & (rows < high[1] + 8)
    assert inside.sum() > 40, "the line; the words stand beside it"


def test_near_things_hide_far_ones():
    def box(name: str, x: float, colour: str) -> str:
        shape = f'<origin xyz="{x} 0 0.3"/><geometry><box size="0.1 0.1 0.1"/></geometry><material name="{name}"><color rgba="{colour}"/></material>'
        return f"<visual>{shape}</visual>"

    two = RobotScene(f'<robot name="two"><link name="base">{box("red", 0.3, "1 0 0 1")}{box("blue", -0.3, "0 0 1 1")}</link></robot>')
    front, back = (two.picture({}, [], looking((x, 0.0, 0.3), (0.0, 0.0, 0.3), 320, 240))[120, 160] for x in (1.5, -1.5))
    assert front[0] > 60 > front[2] and back[2] > 60 > back[0]


def test_what_is_no_urdf_is_refused():
    with pytest.raises(InputError, match="no URDF"):
        RobotScene("<sdf/>")
    with pytest.raises(InputError, match="no URDF"):
        RobotScene("not even xml")


@pytest.fixture
def recording(episode, tmp_path):
    """Three seconds: a blue picture at 1 s, an orange one at 2 s; a refused path at 1 s, over at 1.5 s; another at 2.5 s."""
    made = episode(3.0)
    for at, colour in ((1.0, (20, 40, 220)), (2.0, (240, 150, 20))):
        shown = to_compressed(np.full((240, 320, 3), colour, np.uint8), header=Header())
        made.add(START + at, "/vlaser/annotated/compressed", shown)
    made.add(START, "/vlaser/robot_description", String(data=robot_description(ROBOT)))
    made.add(START + 1.0, "/vlaser/path", markers())
    made.add(START + 1.5, "/vlaser/path", MarkerArray(markers=[Marker(action=Marker.DELETEALL)]))
    made.add(START + 2.5, "/vlaser/path", markers("too far"))
    return made.write(tmp_path / "run.mcap")


def test_the_newest_of_a_moment_is_shown(recording):
    early, late = look(recording, 1.2), look(recording, 2.2)
    assert early.shape == late.shape == (HEIGHT, 640 + 4 + 640, 3)
    assert early[240, 320, 2] > 180 > early[240, 320, 0] and late[240, 320, 0] > 180 > late[240, 320, 2]
    assert red(early[:, 644:]).sum() > 60 > red(late[:, 644:]).sum() + 40


def test_without_a_moment_it_is_that_of_the_middle_chunk(recording):
    assert np.array_equal(look(recording, None), look(recording, 2.75))


def test_a_time_without_pictures_and_a_bag_without_them_are_told(recording, episode, tmp_path):
    with pytest.raises(InputError, match="no annotated picture up to 0.5 s"):
        look(recording, 0.5)
    with pytest.raises(InputError, match="has no annotated pictures"):
        look(episode(0.5).write(tmp_path / "plain.mcap"), None)
    with pytest.raises(InputError, match="does not say whose"):
        look(episode(0.5, contract=None).write(tmp_path / "anyone.mcap"), None)


def test_the_command_writes_the_picture(recording, tmp_path, capsys):
    out = tmp_path / "new" / "look.png"
    assert run(["bag", "look", str(recording), "--at", "1.2", "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert np.array_equal(cv2.imread(str(out))[..., ::-1], look(recording, 1.2))
