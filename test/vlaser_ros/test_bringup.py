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


def test_the_real_arm_starts_no_simulator_and_says_what_it_still_needs():
    assert [spec.executable for spec in compose("widowx")] == ["chunk_controller", "vlaser_server"]
    assert [spec.executable for spec in compose("widowx", sim=True)][0] == "sim_driver"
    assert "driver" in load_bringup("widowx").robot_notice


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
