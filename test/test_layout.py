"""The house: what lies at the top, which way imports point, and that no machine leaks into the files."""

from __future__ import annotations

import ast
import configparser
import importlib.util
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = {".ci", ".gitignore", "CMakeLists.txt", "LICENSE", "Makefile", "README.md", "package.xml", "pyproject.toml", "setup.cfg", "setup.py"}
FOLDERS = {"config", "docs", "launch", "msg", "sim_bridge", "test", "training", "vlaser_core", "vlaser_ros"}
PACKAGES = ("vlaser_core", "sim_bridge", "training", "vlaser_ros")
ROS = {"rclpy", "std_msgs", "sensor_msgs", "geometry_msgs", "trajectory_msgs", "vlaser_msgs", "launch", "launch_ros", "ament_index_python"}
SIMULATORS = {"mujoco", "sapien", "gymnasium", "simpler_env"}


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]


def imports(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_the_top_level_holds_nothing_else():
    top = {path.parts[0] for path in tracked()}
    assert top <= FILES | FOLDERS, f"unexpected: {sorted(top - FILES - FOLDERS)}"
    assert top >= FILES - {"README.md", ".gitignore"}


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("vlaser_core", ROS | SIMULATORS | {"sim_bridge", "vlaser_ros", "training"}),
        ("sim_bridge", ROS | {"vlaser_ros", "training"}),
        ("training", ROS | {"vlaser_ros"}),
        ("vlaser_ros/safety", ROS | {"torch"}),
    ],
)
def test_imports_point_one_way(package, forbidden):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    wrong = {str(file.relative_to(ROOT)): sorted(imports(file) & forbidden) for file in files if imports(file) & forbidden}
    assert not wrong


def test_of_training_only_the_command_line_knows():
    users = {str(file.relative_to(ROOT)) for file in (ROOT / "vlaser_ros").rglob("*.py") if "training" in imports(file)}
    assert users == {"vlaser_ros/commands/arguments.py"}


def test_every_command_leads_to_a_function():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    entries = dict(line.split(" = ") for line in config["options.entry_points"]["console_scripts"].strip().splitlines())
    assert set(entries) == {"vlaser", "vlaser_server", "chunk_controller", "sim_driver", "simpler_driver", "widowx_driver", "aloha_driver", "replay"}
    for target in entries.values():
        module, _, function = target.partition(":")
        spec = importlib.util.find_spec(module)
        assert spec is not None and spec.origin is not None, module
        names = {node.name for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)}
        assert function in names, target


def test_the_build_installs_every_package():
    cmake = (ROOT / "CMakeLists.txt").read_text()
    project = (ROOT / "pyproject.toml").read_text()
    for package in PACKAGES:
        assert f"ament_python_install_package({package}" in cmake
        assert f'"{package}*"' in project
    assert cmake.index("find_package(ament_cmake_python") < cmake.index("add_subdirectory(msg)")


def test_the_root_package_declares_what_the_interfaces_need():
    def depends(file: Path) -> set[str]:
        return {element.text for element in ElementTree.parse(file).getroot() if element.tag.endswith("depend")}

    assert depends(ROOT / "msg/package.xml") <= depends(ROOT / "package.xml")
    # A dependency on it would send rosdep looking for a package that this one builds itself.
    assert "vlaser_msgs" not in depends(ROOT / "package.xml")


def test_one_version_everywhere():
    found = {ElementTree.parse(ROOT / name).getroot().findtext("version") for name in ("package.xml", "msg/package.xml")}
    for name in ("pyproject.toml", "msg/pyproject.toml"):
        found |= set(re.findall(r'^version = "(.+)"$', (ROOT / name).read_text(), re.MULTILINE))
    found |= set(re.findall(r'^__version__ = "(.+)"$', (ROOT / "vlaser_core/__init__.py").read_text(), re.MULTILINE))
    assert len(found) == 1, found


def test_no_machine_leaks_into_the_files():
    # Written in two parts, so that this file does not find itself.
    leak = re.compile("|".join(["/ro" + "ot/", "/wo" + r"rk/\w", "/ho" + r"me/(?!user\b|you\b)\w", r"index-" + "url", "py" + "pi.org"]))
    wrong = []
    for path in tracked():
        if path.suffix in {".py", ".toml", ".cfg", ".xml", ".txt", ".md", ".yaml", ".cmake", ".json", ".msg", ".srv", ".action"} or path.name in {"Makefile", "run"}:
            for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1):
                if leak.search(line):
                    wrong.append(f"{path}:{number}: {line.strip()[:100]}")
    assert not wrong, "\n".join(wrong)


def test_no_pickle_is_read():
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            assert not imports(file) & {"pickle", "dill", "joblib"}, file
            assert "allow_pickle=True" not in text and "weights_only=False" not in text, file
