"""The adapter in a checkout: in every place that one has, over nothing that is somebody else's."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml

from sim_bridge.robotwin.checkout import missing
from sim_bridge.robotwin.install import ADAPTER, CLASSIC, SCRIPTS, XPOLICYLAB, install, places
from vlaser_core.errors import InputError
from vlaser_ros.cli import run


def test_every_place_of_a_checkout_is_served(checkout):
    done = install(checkout)
    assert [(one.kind, one.folder.relative_to(checkout).as_posix()) for one in done] == [("robotwin", "policy/Vlaser"), ("xpolicylab", "XPolicyLab/policy/Vlaser")]
    assert {path.name for path in done[0].folder.iterdir()} == set(CLASSIC)
    assert {path.name for path in done[1].folder.iterdir()} == {*XPOLICYLAB, *SCRIPTS}
    assert (done[1].folder / "eval.sh").stat().st_mode & 0o100


def test_what_was_installed_is_imported_as_robotwin_imports_it(checkout, served):
    install(checkout)
    code = (
        "import importlib, sys; sys.path.append('./policy'); policy = importlib.import_module('Vlaser')\n"
        f"model = getattr(policy, 'get_model')({{'vlaser_url': '{served.url}'}}); getattr(policy, 'reset_model')(model); print(model.executed_steps, policy.eval.__module__)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=checkout, capture_output=True, text=True, timeout=60)
    assert done.stdout == "8 Vlaser.deploy_policy\n", done.stderr


def test_the_settings_are_what_the_adapter_reads(checkout):
    install(checkout)
    for path in (checkout / "policy/Vlaser/deploy_policy.yml", checkout / "XPolicyLab/policy/Vlaser/deploy.yml"):
        content = yaml.safe_load(path.read_text())
        assert content["policy_name"] == "Vlaser" and content["vlaser_url"] == "ws://127.0.0.1:8000" and content["colours"] == "true"


def test_again_renews_the_code_and_keeps_the_users_settings(checkout):
    (place, *_) = install(checkout)
    settings, code = place.folder / "deploy_policy.yml", place.folder / "deploy_policy.py"
    settings.write_text("vlaser_url: ws://gpu:9000\n")
    code.write_text("old")
    assert install(checkout)[0].kept == ("deploy_policy.yml",)
    assert settings.read_text() == "vlaser_url: ws://gpu:9000\n" and code.read_bytes() == (ADAPTER / "deploy_policy.py").read_bytes()
    assert install(checkout, force=True)[0].kept == () and "8000" in settings.read_text()


def test_links_follow_this_installation(checkout):
    (place, *_) = install(checkout, link=True)
    assert (place.folder / "two_arms.py").resolve() == (ADAPTER / "two_arms.py").resolve() and not (place.folder / "deploy_policy.yml").is_symlink()
    install(checkout)
    assert not (place.folder / "two_arms.py").is_symlink()


def test_a_folder_of_somebody_else_is_left_alone(checkout):
    theirs = checkout / "policy/Vlaser"
    theirs.mkdir()
    (theirs / "model.py").write_text("mine")
    with pytest.raises(InputError, match="not of our making"):
        install(checkout)
    assert [path.name for path in theirs.iterdir()] == ["model.py"]


def test_what_is_no_checkout_is_refused(tmp_path, checkout):
    with pytest.raises(InputError, match="no checkout of RoboTwin 2.0 or XPolicyLab"):
        places(tmp_path)
    (tmp_path / "new" / "XPolicyLab").mkdir(parents=True)
    with pytest.raises(InputError, match="git submodule update --init XPolicyLab"):
        places(tmp_path / "new")
    (checkout / "XPolicyLab/policy/demo_policy/eval.sh").unlink()
    with pytest.raises(InputError, match="demo_policy has no eval.sh"):
        install(checkout)


def test_the_command_says_what_it_wrote(checkout, capsys):
    assert run(["robotwin", "install", "--checkout", str(checkout)]) == 0
    assert "policy/Vlaser: __init__.py" in capsys.readouterr().out
    assert run(["robotwin", "install", "--checkout", str(checkout / "envs")]) == 2
    assert "no checkout of RoboTwin" in capsys.readouterr().err


def test_what_a_checkout_lacks_is_listed_before_anything_is_started(checkout, capsys):
    lacking = missing(checkout, "demo_randomized")
    assert "envs/beat_block_hammer.py is missing" in lacking and "envs/click_bell.py is missing" not in lacking
    assert "task_config/_eval_step_limit.yml is missing" in lacking and any("assets/objects is missing" in line for line in lacking)
    (checkout / "task_config/_eval_step_limit.yml").write_text("click_bell: 300\nshake_bottle: 700\n")
    urdf = checkout / "assets/embodiments/aloha-agilex/urdf/arx5_description_isaac.urdf"
    urdf.parent.mkdir()
    urdf.write_text("version https://git-lfs.github.com/spec/v1\n")
    lacking = missing(checkout, "demo_randomized", ("click_bell", "shake_bottle"))
    assert [line for line in lacking if "steps" in line] == ["_eval_step_limit.yml gives click_bell 300 steps, 400 when this was written"]
    assert any("pointer of Git LFS" in line for line in lacking)
    assert run(["robotwin", "check", "--checkout", str(checkout), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["missing"]


def test_the_adapters_settings_are_part_of_the_package():
    # They are no Python, and a wheel leaves out what is not named.
    assert 'sim_bridge = ["robotwin/adapter/*.yml"]' in (ADAPTER.parents[2] / "pyproject.toml").read_text()
    assert {path.name for path in ADAPTER.iterdir() if path.is_file()} == {*CLASSIC, *XPOLICYLAB}
