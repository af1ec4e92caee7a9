from __future__ import annotations

import copy

import pytest
import yaml

from vlaser_core.embodiment import config_path, dump_embodiment, load_embodiment
from vlaser_core.errors import ConfigError


@pytest.fixture
def contract() -> dict:
    return yaml.safe_load(config_path("widowx").read_text())


def load(tmp_path, contract: dict):
    path = tmp_path / "robot.yaml"
    path.write_text(yaml.safe_dump(contract))
    return load_embodiment(path)


def test_a_contract_written_back_is_the_same_contract(tmp_path):
    widowx = load_embodiment("widowx")
    dump_embodiment(widowx, tmp_path / "copy.yaml")
    assert load_embodiment(tmp_path / "copy.yaml") == widowx


def test_another_file_may_name_the_robot_it_simulates():
    assert load_embodiment("tabletop") == load_embodiment("widowx")


def test_an_unknown_embodiment_names_the_known_ones():
    with pytest.raises(ConfigError, match="unknown embodiment 'spot'.*widowx"):
        load_embodiment("spot")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda e: e.pop("safety"), "safety"),
        (lambda e: e.update(colour="red"), "colour"),
        (lambda e: e["action"].update(rate_hz=0), "rate_hz"),
        (lambda e: e["action"].update(gripper_dims=[7]), "gripper_dims"),
        (lambda e: e["arms"][0]["home"].pop(), "6 joints but 5 home"),
        (lambda e: e["arms"][0]["home"].__setitem__(1, 9.0), "shoulder"),
        (lambda e: e["cameras"].clear(), "cameras"),
    ],
)
def test_a_faulty_contract_is_refused_by_key(tmp_path, contract, edit, message):
    faulty = copy.deepcopy(contract)
    edit(faulty["embodiment"])
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, faulty)


def test_a_file_that_is_not_yaml_is_named(tmp_path):
    (tmp_path / "bad.yaml").write_text("a: [1")
    with pytest.raises(ConfigError, match="bad.yaml"):
        load_embodiment(tmp_path / "bad.yaml")


def test_gripper_openness_and_position_invert_each_other():
    gripper = load_embodiment("widowx").arms[0].gripper
    assert gripper.openness(gripper.position(0.3)) == pytest.approx(0.3)
    assert gripper.position(0.0) == gripper.closed_position
