"""The RViz and Foxglove files name topics, types and fields that a running stack has, and displays and panels that exist.

The two programs are not run here: names of displays and panels are those of their public sources (plugin descriptions of
rviz_common and rviz_default_plugins; panels of Foxglove Studio 1.87 and its fork Lichtblick).
"""

from __future__ import annotations

import importlib
import json
import re
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402
from sensor_msgs.msg import CompressedImage  # noqa: E402
from std_msgs.msg import String  # noqa: E402
from visualization_msgs.msg import Marker, MarkerArray  # noqa: E402

from vlaser_core.embodiment import load_embodiment  # noqa: E402
from vlaser_ros.images import from_compressed  # noqa: E402

CONFIG = Path(__file__).resolve().parents[2] / "config"
RVIZ = yaml.safe_load((CONFIG / "rviz" / "vlaser.rviz").read_text(encoding="utf-8"))
FOXGLOVE = json.loads((CONFIG / "foxglove" / "vlaser.json").read_text(encoding="utf-8"))
TYPES = {
    "/vlaser/annotated/compressed": "sensor_msgs/msg/CompressedImage",
    "/vlaser/path": "visualization_msgs/msg/MarkerArray",
    "/vlaser/robot_description": "std_msgs/msg/String",
    "/vlaser/chunk_verdict": "vlaser_msgs/msg/ChunkVerdict",
    "/vlaser/action_chunk": "vlaser_msgs/msg/ActionChunk",
    "/vlaser/stopped": "std_msgs/msg/Bool",
    "/vlaser/execute/_action/feedback": "vlaser_msgs/action/Execute_FeedbackMessage",
    "/joint_states": "sensor_msgs/msg/JointState",
    "/camera/color/camera_info": "sensor_msgs/msg/CameraInfo",
    "/diagnostics": "diagnostic_msgs/msg/DiagnosticArray",
}
RVIZ_DISPLAYS = {  # class → the message it takes
    "rviz_default_plugins/Grid": None,
    "rviz_default_plugins/TF": None,
    "rviz_default_plugins/RobotModel": "std_msgs/msg/String",
    "rviz_default_plugins/MarkerArray": "visualization_msgs/msg/MarkerArray",
    "rviz_default_plugins/Image": "sensor_msgs/msg/CompressedImage",  # through image_transport, by the topic's last part
}
RVIZ_OTHERS = {
    *("rviz_common/Displays", "rviz_common/Views", "rviz_common/Time"),
    *("rviz_default_plugins/MoveCamera", "rviz_default_plugins/Select", "rviz_default_plugins/FocusCamera", "rviz_default_plugins/Measure"),
    *("rviz_default_plugins/Orbit",),
}
FOXGLOVE_PANELS = {"3D", "Image", "Plot", "StateTransitions", "RawMessages", "DiagnosticSummary", "CallService"}


def rviz_topics() -> dict[str, dict]:
    """Topic → its settings with the display's class."""
    found = {}
    for display in RVIZ["Visualization Manager"]["Displays"]:
        for key in ("Topic", "Description Topic"):
            if key in display:
                found[display[key]["Value"]] = {**display[key], "Class": display["Class"]}
    return found


def foxglove_paths() -> list[str]:
    """Every message path of plots, transitions and raw messages."""
    panels = FOXGLOVE["configById"].values()
    return [path["value"] for panel in panels for path in panel.get("paths", [])] + [panel["topicPath"] for panel in panels if "topicPath" in panel]


def foxglove_topics() -> set[str]:
    found = {re.split(r"\.", path, maxsplit=1)[0] for path in foxglove_paths()}
    for panel in FOXGLOVE["configById"].values():
        found |= set(panel.get("topics", {})) | {panel.get("topicToRender"), panel.get("imageMode", {}).get("imageTopic")}
        for layer in panel.get("layers", {}).values():
            found |= {layer.get("topic"), layer.get("jointStatesTopic")}
    return found - {None, ""}


def resolve(kind: str, fields: list[str]) -> str:
    """The type at a path of fields. Raises KeyError for a field that there is not."""
    for field in fields:
        name, sliced = re.fullmatch(r"(\w+)(\[[\d:]*\])?", field).groups()
        package, part, leaf = kind.split("/") if kind.count("/") == 2 else (kind.split("/")[0], "msg", kind.split("/")[-1])
        module = importlib.import_module(f"{package}.{'action' if leaf.startswith('Execute_') else part}")
        message = getattr(importlib.import_module("vlaser_msgs.action"), "Execute") if leaf.startswith("Execute_") else getattr(module, leaf)
        if leaf == "Execute_FeedbackMessage":
            message = message.Impl.FeedbackMessage
        elif leaf == "Execute_Feedback":
            message = message.Feedback
        kind = message.get_fields_and_field_types()[name]
        inner = re.fullmatch(r"sequence<(.+)>|(.+)\[\d+\]", kind)
        assert bool(inner) == bool(sliced), f"{field} is {kind}"
        kind = (inner[1] or inner[2]) if inner else kind
    return kind


def test_rviz_is_asked_for_displays_it_has_and_gives_them_what_they_take():
    manager = RVIZ["Visualization Manager"]
    assert {display["Class"] for display in manager["Displays"]} == set(RVIZ_DISPLAYS)
    others = {part["Class"] for part in [*RVIZ["Panels"], *manager["Tools"], manager["Views"]["Current"]]}
    assert others <= RVIZ_OTHERS, others - RVIZ_OTHERS
    for topic, told in rviz_topics().items():
        assert TYPES[topic] == RVIZ_DISPLAYS[told["Class"]], topic
    assert set(rviz_topics()) == {"/vlaser/path", "/vlaser/annotated/compressed", "/vlaser/robot_description"}
    assert manager["Global Options"]["Fixed Frame"] == load_embodiment("widowx").base_frame


def test_foxglove_shows_every_panel_once():
    def leaves(node) -> list[str]:
        return [node] if isinstance(node, str) else [leaf for side in ("first", "second") for leaf in leaves(node[side])]

    shown = leaves(FOXGLOVE["layout"])
    assert sorted(shown) == sorted(FOXGLOVE["configById"]) and len(shown) == len(set(shown))
    assert {name.partition("!")[0] for name in shown} == FOXGLOVE_PANELS


def test_foxglove_is_pointed_at_fields_that_the_messages_have():
    plots = [panel for name, panel in FOXGLOVE["configById"].items() if name.startswith(("Plot!", "StateTransitions!"))]
    assert all(path["enabled"] and path["timestampMethod"] for panel in plots for path in panel["paths"])
    for path in foxglove_paths():
        topic, _, fields = path.partition(".")
        assert resolve(TYPES[topic], fields.split(".")) in {"double", "float", "boolean", "uint16", "string"}, path


def test_no_topic_is_named_that_nobody_vouches_for():
    assert foxglove_topics() | set(rviz_topics()) == set(TYPES)


@pytest.fixture(scope="module")
def robot(running):
    with running() as made:
        yield made


def eventually(condition, patience: float = 30.0):
    deadline = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return value


@pytest.mark.ros
@pytest.mark.slow
def test_a_running_stack_has_what_both_are_pointed_at(robot):
    node = robot.client.node
    graph = dict(eventually(lambda: (found := node.get_topic_names_and_types()) and set(TYPES) <= {name for name, _ in found} and found))
    assert {topic: graph[topic] for topic in TYPES} == {topic: [kind] for topic, kind in TYPES.items()}
    for topic in TYPES:
        assert node.get_publishers_info_by_topic(topic), topic
    for topic, told in rviz_topics().items():
        kept = node.get_publishers_info_by_topic(topic)[0].qos_profile.durability is DurabilityPolicy.TRANSIENT_LOCAL
        # A reader that wants what was said before it came is refused by a writer that does not keep it.
        assert kept or told["Durability Policy"] == "Volatile", topic
    services = dict(node.get_service_names_and_types())
    for panel in FOXGLOVE["configById"].values():
        if "serviceName" in panel:
            assert services[panel["serviceName"]] == ["std_srvs/srv/Trigger"]


@pytest.mark.ros
@pytest.mark.slow
def test_whoever_comes_late_sees_the_robot_then_the_picture_with_its_path_and_the_end_of_both(robot):
    node, pictures, paths, told = robot.client.node, [], [], []
    latched = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    subscriptions = [
        node.create_subscription(String, "/vlaser/robot_description", told.append, latched),
        node.create_subscription(CompressedImage, "/vlaser/annotated/compressed", pictures.append, 5),
        node.create_subscription(MarkerArray, "/vlaser/path", paths.append, 5),
    ]
    try:
        assert ElementTree.fromstring(eventually(lambda: told)[0].data.encode()).get("name") == "widowx"
        time.sleep(1.0)  # the stack finds its readers
        robot.client.execute("reach the middle", max_chunks=2, timeout=60.0)
        eventually(lambda: pictures and paths and paths[-1].markers[0].action == Marker.DELETEALL)
        lines = [marker for message in paths for marker in message.markers if marker.ns == "path"]
        assert len(lines) == 2 and all(len(line.points) == 5 for line in lines)
        # The stand-in's camera is a grey floor with a red square; what is green in its picture was drawn there.
        picture = from_compressed(pictures[0])[40:440].astype(int)
        assert ((picture[..., 1] > picture[..., 0] + 60) & (picture[..., 1] > picture[..., 2] + 60)).sum() > 20
    finally:
        for subscription in subscriptions:
            node.destroy_subscription(subscription)
