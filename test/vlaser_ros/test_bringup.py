"""One file says which processes make up a robot; what is wrong in it, or asked of it, is named."""

from __future__ import annotations

import pytest
import yaml

from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import ConfigError
from vlaser_ros.bringup import compose, dds_profile, load_bringup


def test_the_tabletop_is_driver_controller_and_server_on_the_same_topics():
    driver, controller, server = compose("tabletop", {"task": "widowx_stack_cube", "seed": "7", "engine": "stand_in"})
    assert [driver.executable, controller.executable, server.executable] == ["sim_driver", "chunk_controller", "vlaser_server"]
    assert driver.parameters["image_topics"] == server.parameters["image_topics"]
    assert driver.parameters["trajectory_topic"] == controller.parameters["trajectory_topic"]
    assert driver.parameters["task"] == "widowx_stack_cube" and driver.parameters["seed"] == 7 and server.parameters["engine"] == "stand_in"


@pytest.mark.parametrize("robot", ["widowx", "aloha"])
def test_the_real_arm_starts_its_driver_and_no_simulator_and_says_what_it_still_needs(robot):
    assert [spec.executable for spec in compose(robot)] == [f"{robot}_driver", "chunk_controller", "vlaser_server"]
    for simulated in (compose(robot, sim=True), compose(robot, {"sim": "true"})):
        assert [spec.executable for spec in simulated] == ["sim_driver", "chunk_controller", "vlaser_server"]
    assert "camera" in load_bringup(robot).robot_notice and "sim:=true" in load_bringup(robot).robot_notice


def test_a_namespace_goes_before_the_nodes_and_every_topic_so_that_two_robots_share_none():
    def names(namespace: str) -> set[str]:
        found = set()
        for spec in compose("tabletop", {"namespace": namespace}):
            assert spec.namespace == namespace.strip("/") and f"__ns:=/{spec.namespace}" in spec.command()
            found |= {spec.parameters.get("trajectory_topic"), *spec.parameters.get("image_topics", ()), *(new for _, new in spec.remappings)} - {None}
        return found

    assert not names("one") & names("/two/") and names("one") == {f"/one{topic}" for topic in names_without_namespace()}


def names_without_namespace() -> set[str]:
    topics = load_bringup("tabletop").topics
    return {*topics.images, topics.joint_states, topics.trajectory}


def test_common_arguments_reach_the_nodes_they_are_for():
    driver, controller, server = compose("tabletop", {"use_sim_time": "true", "autostart": "false", "respawn": "false"})
    assert all(spec.parameters["use_sim_time"] is True and not spec.respawn for spec in (driver, controller, server))
    assert server.parameters["autostart"] is False and "autostart" not in driver.parameters
    assert all(spec.respawn for spec in compose("tabletop")) and all("use_sim_time" not in spec.parameters for spec in compose("tabletop"))
    with pytest.raises(ConfigError, match="autostart.*bool"):
        compose("tabletop", {"autostart": "maybe"})


def test_a_bag_is_replayed_on_its_own_clock_once_and_its_robot_may_be_another():
    replay, controller, server = compose("replay", {"bag": "x.mcap"})
    assert replay.parameters["bag"] == "x.mcap" and replay.ends and not replay.respawn and not server.ends
    assert all(spec.parameters["use_sim_time"] is True for spec in (replay, controller, server))
    assert controller.parameters["obeyed"] is False, "a recorded arm follows nobody; that is no reason to stop"
    assert controller.parameters["trajectory_topic"] not in {spec.parameters.get("trajectory_topic") for spec in compose("widowx")}
    other = compose("replay", {"embodiment": "aloha"})
    assert {spec.parameters["embodiment"] for spec in other} == {"aloha"} and len(other[0].parameters["image_topics"]) == 3


def test_names_of_the_arms_own_drivers_can_be_given():
    driver = compose("aloha", {"robot_names": "[puppet_left, puppet_right]"})[0]
    assert driver.parameters["robot_names"] == ["puppet_left", "puppet_right"]
    assert "robot_names:=[puppet_left, puppet_right]" in driver.command()
    with pytest.raises(ConfigError, match="robot_names.*list"):
        compose("aloha", {"robot_names": "3"})


def test_an_argument_that_hides_a_common_one_is_refused(tmp_path):
    content = {"description": "", "topics": {"images": ["/i"], "joint_states": "/j", "trajectory": "/t"}, "nodes": [{"executable": "vlaser_server"}]}
    content["arguments"] = [{"name": "namespace", "node": "vlaser_server", "parameter": "x", "default": "", "description": ""}]
    path = tmp_path / "robot.yaml"
    path.write_text(yaml.safe_dump({"embodiment": "widowx", "bringup": content}))
    with pytest.raises(ConfigError, match="namespace"):
        load_bringup(path)


def test_arguments_are_read_in_their_own_type():
    assert compose("tabletop", {"seed": 3})[0].parameters["seed"] == 3
    assert compose("tabletop", {"camera_rate": "5"})[0].parameters["camera_rate"] == 5.0
    assert compose("tabletop", {"retime": "true"})[1].parameters["retime"] is True
    for wrong in ("x", "1.5", "true"):
        with pytest.raises(ConfigError, match="seed.*int"):
            compose("tabletop", {"seed": wrong})


def test_an_unknown_argument_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match="sede.*seed"):
        compose("tabletop", {"sede": 1})


def test_values_reach_the_command_line_in_their_type():
    command = compose("tabletop", {"task": "1", "checkpoint": "a: b"})
    driver, server = command[0].command(), command[2].command()
    given = [value.split(":=", 1)[1] for value in driver if value.startswith("task:=")]
    assert yaml.safe_load(given[0]) == "1"
    given = [value.split(":=", 1)[1] for value in server if value.startswith("checkpoint:=")]
    assert yaml.safe_load(given[0]) == "a: b"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"nodes": [{"executable": "rm"}]}, "executable"),
        ({"topics": {"images": [], "joint_states": "/j", "trajectory": "/t"}}, "images"),
        ({"arguments": [{"name": "a", "node": "sim_driver", "parameter": "b", "default": 1, "description": ""}]}, "sim_driver"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_faults_of_the_file_are_named(tmp_path, change, words):
    content = {"description": "", "topics": {"images": ["/i"], "joint_states": "/j", "trajectory": "/t"}, "nodes": [{"executable": "vlaser_server"}]}
    path = tmp_path / "robot.yaml"
    path.write_text(yaml.safe_dump({"embodiment": "widowx", "bringup": {**content, **change}}))
    with pytest.raises(ConfigError, match=words):
        load_bringup(path)


def test_the_number_of_image_topics_is_that_of_the_cameras(tmp_path):
    content = {"description": "", "topics": {"images": ["/i", "/k"], "joint_states": "/j", "trajectory": "/t"}, "nodes": [{"executable": "vlaser_server"}]}
    path = tmp_path / "robot.yaml"
    path.write_text(yaml.safe_dump({"embodiment": "widowx", "bringup": content}))
    with pytest.raises(ConfigError, match="2 image topics.*1 cameras"):
        compose(path)


def test_the_contract_stays_readable_beside_its_bring_up_and_the_dds_profile_is_there():
    assert load_embodiment("tabletop") == load_embodiment("widowx")
    assert dds_profile().is_file()


@pytest.mark.parametrize("robot", ["widowx", "aloha", "tabletop", "simpler", "replay"])
def test_every_launch_file_has_its_bring_up_with_described_arguments(robot):
    root = dds_profile().parent.parent
    assert f'describe("{robot}")' in (root / f"launch/{robot}.launch.py").read_text(encoding="utf-8")
    arguments = load_bringup(robot).every_argument()
    assert all(argument.description for argument in arguments)
    # What a launch argument holds is text: read back it is the default again.
    assert all(argument.read(argument.text()) == argument.default for argument in arguments)
    assert compose(robot)
