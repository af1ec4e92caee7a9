"""What a user meets at the command line when something is wrong, and that it starts at once."""

from __future__ import annotations

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

from vlaser_core.embodiment import dump_embodiment, load_embodiment
from vlaser_core.errors import InputError
from vlaser_ros.cli import run
from vlaser_ros.commands.pictures import read_picture, write_picture
from vlaser_ros.commands.settings import read_settings


def complaint(capsys, *arguments: str) -> str:
    """The one line on stderr of a command that must refuse."""
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and "Traceback" not in captured.err and len(captured.err.strip().splitlines()) == 1, captured
    return captured.err


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "scene.png"
    cv2.imwrite(str(path), np.zeros((24, 32, 3), np.uint8))
    return str(path)


@pytest.fixture
def checkpoint(tmp_path):
    """A folder with everything a checkpoint needs but good weights."""
    pytest.importorskip("torch")
    from vlaser_core.processing.normalization import Spread, Statistics, save_statistics

    folder = tmp_path / "checkpoint"
    folder.mkdir()
    robot = load_embodiment("widowx")
    dump_embodiment(robot, folder / "embodiment.yaml")
    spread = Spread.of(np.random.default_rng(0).uniform(0, 1, (10, robot.action_dim)))
    save_statistics(Statistics(spread, spread, 10, 1), folder / "statistics.json")
    (folder / "config.json").write_text(
        json.dumps(
            {
                "name": "tiny",
                "vision": {"hidden_size": 8, "intermediate_size": 8, "layers": 1, "heads": 1, "image_size": 32, "patch_size": 16},
                "text": {"hidden_size": 8, "intermediate_size": 8, "layers": 1, "heads": 1, "kv_heads": 1, "head_dim": 8, "vocab_size": 10},
                "expert": {"hidden_size": 8, "intermediate_size": 8},
                "horizon": 4,
                "action_dim": 7,
                "proprio_dim": 7,
            }
        )
    )
    (folder / "model.safetensors").write_bytes(b"")
    return folder


def test_a_missing_picture_is_named(capsys):
    assert "no picture file at absent.png" in complaint(capsys, "ground", "absent.png", "carrot")


def test_a_folder_is_no_picture(capsys, tmp_path):
    assert "it is a folder" in complaint(capsys, "ask", str(tmp_path), "what is this?")


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n truncated"])
def test_a_file_that_is_no_picture_is_named(capsys, tmp_path, content):
    path = tmp_path / "notes.png"
    path.write_bytes(content)
    assert f"notes.png is not a picture that OpenCV can read ({len(content)} bytes)" in complaint(capsys, "plan", str(path), "tidy up")


def test_a_missing_checkpoint_is_named(capsys, picture):
    assert "no checkpoint folder at absent" in complaint(capsys, "ground", picture, "carrot", "--checkpoint", "absent")


@pytest.mark.parametrize("command", [("inspect", "{}"), ("eval", "tabletop", "--checkpoint", "{}"), ("demo", "--checkpoint", "{}")])
def test_an_incomplete_checkpoint_names_what_it_lacks(capsys, checkpoint, command):
    (checkpoint / "statistics.json").unlink()
    assert "lacks statistics.json" in complaint(capsys, *(part.format(checkpoint) for part in command))


@pytest.mark.parametrize("content", [b"", b"\x10\x00\x00\x00\x00\x00\x00\x00{\"a\""])
def test_truncated_weights_are_named(capsys, checkpoint, content):
    (checkpoint / "model.safetensors").write_bytes(content)
    assert "truncated" in complaint(capsys, "inspect", str(checkpoint))


def test_weights_cut_short_by_a_byte_are_noticed(capsys, checkpoint):
    from safetensors.numpy import save_file

    weights = checkpoint / "model.safetensors"
    save_file({"backbone.a": np.zeros((2, 3), np.float32), "expert.b": np.zeros(4, np.float32)}, weights)
    assert run(("inspect", str(checkpoint), "--json")) == 1
    facts = json.loads(capsys.readouterr().out)
    assert facts["left_over"] == ["backbone.a", "expert.b"] and facts["embodiment"]["name"] == "widowx"
    assert "proprio_encoder.bias" in facts["missing"] and "expert.b" in facts["fault"]
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "truncated" in complaint(capsys, "inspect", str(checkpoint))


def test_an_unknown_robot_lists_the_known(capsys):
    assert "known: " in (told := complaint(capsys, "up", "toaster")) and "tabletop, widowx" in told


def test_an_unknown_setting_lists_the_known(capsys):
    assert "'colour'" in (told := complaint(capsys, "up", "tabletop", "colour:=red")) and "checkpoint" in told


def test_an_unknown_world_lists_the_known(capsys):
    with pytest.raises(SystemExit) as end:
        run(["eval", "moon"])
    told = capsys.readouterr().err
    assert end.value.code == 2 and all(world in told for world in ("tabletop", "simpler", "robotwin", "reasoning", "bag"))


def test_an_unknown_task_lists_the_known(capsys, tmp_path):
    assert "widowx_stack_cube" in complaint(capsys, "demo", "--engine", "stand_in", "--tasks", "juggle", "--out", str(tmp_path))


def test_references_that_are_not_there_are_named(capsys):
    assert "no directory of reference vectors at absent" in complaint(capsys, "parity", "absent")


def test_settings_are_name_and_value():
    assert read_settings(["task:=a:=b", "seed:=3", "empty:="]) == {"task": "a:=b", "seed": "3", "empty": ""}
    for wrong in (["task=a"], [":=a"], ["a:=1", "a:=2"]):
        with pytest.raises(InputError):
            read_settings(wrong)


def test_pictures_come_back_as_they_went(tmp_path):
    scene = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    write_picture(tmp_path / "ü.png", scene)
    assert (read_picture(tmp_path / "ü.png") == scene).all()
    for wrong in (tmp_path / "scene.doc", tmp_path / "scene", tmp_path / "absent" / "scene.png"):
        with pytest.raises(InputError, match="cannot write"):
            write_picture(wrong, scene)


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom vlaser_ros.cli import main\ntry:\n main(['ground', '--help'])\nexcept SystemExit as done:\n"
        " print([m for m in ('torch', 'rclpy', 'mujoco', 'transformers', 'cv2') if m in sys.modules], done.code)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip().splitlines()[-1] == "[] 0"


def test_reasoning_refuses_in_words_where_ros_is_absent():
    code = (
        "import sys\nclass Absent:\n def find_spec(self, name, *rest):\n  if name == 'rclpy': raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Absent())\nfrom vlaser_ros.cli import run\n"
        "print(run(['ground', 'absent.png', 'x']), run(['demo', '--engine', 'stand_in']))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "2 2"
    assert "no picture file" in result.stderr and "needs ROS 2's 'rclpy'" in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize("words", [["train", "flow", "--help"], ["bench", "gate", "--chunks", "20", "--json"]])
def test_a_reader_that_leaves_early_ends_the_command_without_a_word(words):
    # A pipe without its reading end from the beginning: what `| head` comes to, without the race.
    program = f"import os; from vlaser_ros.cli import main; reading, writing = os.pipe(); os.close(reading); os.dup2(writing, 1); main({words})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 141 and done.stderr == ""


def test_a_connection_of_the_command_that_breaks_is_no_reader_that_left(monkeypatch):
    from vlaser_ros import cli

    def broken(arguments):
        raise BrokenPipeError("of a socket")

    monkeypatch.setattr(cli, "run", broken)
    with pytest.raises(BrokenPipeError, match="of a socket"):
        cli.main([])
