from __future__ import annotations

import json
import subprocess
import sys

import pytest

from sim_bridge.simpler import installation
from sim_bridge.simpler.installation import check_checkout, choose_python, commit_of, find_installation, make_environment
from vlaser_core.errors import ConfigError


def interpreter(path, version: str):
    """A program that answers like a Python of that version, and notes what it is asked to do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\necho "$@" >> "{path}.calls"\ncase "$*" in *sys.version_info*) echo {version};; *venv*) for last; do :; done; mkdir -p $last/bin; cp "$0" $last/bin/python;; esac\n')
    path.chmod(0o755)
    return path


def test_a_folder_that_is_no_checkout_says_what_it_lacks(tmp_path):
    with pytest.raises(ConfigError, match="no folder .*recurse-submodules"):
        check_checkout(tmp_path / "nowhere")
    (tmp_path / "simpler_env").mkdir()
    with pytest.raises(ConfigError, match="no folder ManiSkill2_real2sim/mani_skill2_real2sim"):
        check_checkout(tmp_path)


def test_a_checkout_that_was_not_set_up_says_which_command_does_it(simpler_checkout, tmp_path):
    for part in ("simpler_env", "ManiSkill2_real2sim/mani_skill2_real2sim", "ManiSkill2_real2sim/data"):
        (tmp_path / part).mkdir(parents=True)
    with pytest.raises(ConfigError, match="vlaser simpler setup --checkout"):
        find_installation(tmp_path)
    (tmp_path / ".vlaser").mkdir()
    (tmp_path / ".vlaser/setup.json").write_text(json.dumps({"python": str(tmp_path / "gone")}))
    with pytest.raises(ConfigError, match="is gone"):
        find_installation(tmp_path)
    assert str(find_installation(simpler_checkout).python) == sys.executable


def test_a_python_without_wheels_of_the_simulator_is_refused_with_the_ones_that_have_them(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="needs Python 3.10 or 3.11"):
        choose_python(interpreter(tmp_path / "python3.12", "3 12"))
    with pytest.raises(ConfigError, match="no version"):
        choose_python(tmp_path / "absent")
    good = interpreter(tmp_path / "bin" / "python3.10", "3 10")
    assert choose_python(good) == good
    monkeypatch.setattr(installation.sys, "executable", str(tmp_path / "python3.12"))
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(ConfigError, match="--python"):
        choose_python()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert choose_python() == good


def test_the_environment_is_made_with_the_pins_and_the_checkout_editable(tmp_path):
    for part in ("simpler_env", "ManiSkill2_real2sim/mani_skill2_real2sim", "ManiSkill2_real2sim/data"):
        (tmp_path / "checkout" / part).mkdir(parents=True)
    said: list[str] = []
    made = make_environment(tmp_path / "checkout", interpreter(tmp_path / "python3.10", "3 10"), said.append)
    assert find_installation(tmp_path / "checkout") == made
    calls = (tmp_path / "python3.10.calls").read_text()
    for pin in ("sapien==2.2.2", "gymnasium==0.29.1", "numpy==1.26.4"):
        assert calls.count(pin) == 3
    assert f"--editable {tmp_path / 'checkout/ManiSkill2_real2sim'}" in calls and len(said) == 4
    make_environment(tmp_path / "checkout", tmp_path / "python3.10", said.append)
    assert sum(line.startswith("making") for line in said) == 1  # once it is there it is brought up to date


def test_what_pip_says_is_told(tmp_path):
    for part in ("simpler_env", "ManiSkill2_real2sim/mani_skill2_real2sim", "ManiSkill2_real2sim/data"):
        (tmp_path / part).mkdir(parents=True)
    broken = tmp_path / "python3.10"
    broken.write_text("#!/bin/sh\ncase \"$*\" in *sys.version_info*) echo 3 10;; *) echo no space left; exit 1;; esac\n")
    broken.chmod(0o755)
    with pytest.raises(ConfigError, match="ended with 1:\nno space left"):
        make_environment(tmp_path, broken, print)


def test_a_checkouts_commit_is_told_with_what_was_changed_in_it(tmp_path):
    assert commit_of(tmp_path) == ""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / "file").write_text("one")
    subprocess.run([*git, "add", "file"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "one"], check=True)
    clean = commit_of(tmp_path)
    assert len(clean) == 40
    (tmp_path / "file").write_text("two")
    assert commit_of(tmp_path) == clean + "+changes"
    (tmp_path / "inside").mkdir()
    assert commit_of(tmp_path / "inside") == ""
