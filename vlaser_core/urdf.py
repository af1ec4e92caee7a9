"""A serial chain read from a URDF, in the contract's own terms. Only the standard library reads the file.

In a contract file an arm may give, in place of `joints` and `grasp_point`:

    urdf: {file: wx250s.urdf, base_link: base_link, tip_link: ee_gripper_link, max_acceleration: 60.0}

file: absolute, or relative to the contract. max_acceleration: rad/s² of every joint, as a URDF has none. Optional:
max_velocity, rad/s of every joint in place of the URDF's; prefix, put before the joints' names (two arms, one URDF).
The chain is spelled out when the contract is loaded, so a checkpoint's copy of the contract needs no URDF.
"""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from vlaser_core.errors import ConfigError
from vlaser_core.geometry import matrix_from_euler, pose, quaternion_from_matrix

TURNING = ("revolute", "continuous")
KEYS = {"file", "base_link", "tip_link", "max_acceleration", "max_velocity", "prefix"}


def resolve_arms(content: object, contract: Path) -> None:
    """Replace `urdf` by `joints`, `grasp_point` and `grasp_orientation_xyzw` in a contract's `embodiment` mapping.

    Does nothing to arms without it; the rest is left to the contract's validation. Raises ConfigError.
    """
    arms = content.get("arms") if isinstance(content, dict) else None
    for arm in arms if isinstance(arms, list) else []:
        if not isinstance(arm, dict) or "urdf" not in arm:
            continue
        where = f"{contract}: urdf of arm {arm.get('name')!r}"
        given = [key for key in ("joints", "grasp_point", "grasp_orientation_xyzw") if key in arm]
        if given:
            raise ConfigError(f"{where} says what {given} say too; keep one of them")
        source = arm.pop("urdf")
        if not isinstance(source, dict) or not {"file", "base_link", "tip_link", "max_acceleration"} <= set(source) <= KEYS:
            raise ConfigError(
                f"{where}: expected a mapping with file, base_link, tip_link, max_acceleration and optionally max_velocity, prefix; got {source!r}"
            )
        arm.update(
            read_chain(
                contract.parent / str(source["file"]),
                base_link=str(source["base_link"]),
                tip_link=str(source["tip_link"]),
                max_acceleration=source["max_acceleration"],
                max_velocity=source.get("max_velocity"),
                prefix=str(source.get("prefix", "")),
            )
        )


def read_chain(
    path: Path, *, base_link: str, tip_link: str, max_acceleration: float, max_velocity: float | None = None, prefix: str = ""
) -> dict:
    """`joints`, `grasp_point` and `grasp_orientation_xyzw` (plain values, as in YAML) of the chain between two links.

    Fixed joints are folded into the next one's place. Raises ConfigError for a file that is no URDF, links that are
    not connected, and joints in the chain that slide, or lack limits.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise ConfigError(f"cannot read {path}: {error}; a .xacro has to be expanded first (xacro in.xacro > out.urdf)") from error
    if root.tag != "robot":
        raise ConfigError(f"{path} is no URDF: its root is <{root.tag}>, expected <robot>")
    parents = {_link(joint, "child", path): joint for joint in root.findall("joint")}
    chain, link = [], tip_link
    while link != base_link:
        if link not in parents or len(chain) > len(parents):
            raise ConfigError(f"{path}: link {tip_link!r} is not connected to {base_link!r}; links with a parent: {sorted(parents)}")
        chain.insert(0, parents[link])
        link = _link(parents[link], "parent", path)
    joints, place = [], np.eye(4)
    for element in chain:
        place = place @ _origin(element, path)
        kind, name = element.get("type"), element.get("name", "")
        if kind == "fixed":
            continue
        if kind not in TURNING:
            raise ConfigError(
                f"{path}: joint {name!r} between {base_link!r} and {tip_link!r} is {kind}; an arm's chain has revolute, continuous and fixed joints"
            )
        joints.append({"name": prefix + name, **_joint(element, place, path, max_velocity), "max_acceleration": max_acceleration})
        place = np.eye(4)
    if not joints:
        raise ConfigError(f"{path}: nothing moves between {base_link!r} and {tip_link!r}")
    return {
        "joints": joints,
        "grasp_point": place[:3, 3].tolist(),
        "grasp_orientation_xyzw": quaternion_from_matrix(place[:3, :3]).tolist(),
    }


def _link(joint: ElementTree.Element, role: str, path: Path) -> str:
    element = joint.find(role)
    if element is None or not element.get("link"):
        raise ConfigError(f"{path}: joint {joint.get('name')!r} has no <{role} link=…>")
    return str(element.get("link"))


def _numbers(text: str, count: int, what: str, path: Path) -> list[float]:
    try:
        values = [float(word) for word in text.split()]
    except ValueError:
        values = []
    if len(values) != count or not all(map(math.isfinite, values)):
        raise ConfigError(f"{path}: {what} is {text!r}, expected {count} finite number{'s' * (count > 1)}")
    return values


def _origin(joint: ElementTree.Element, path: Path) -> np.ndarray:
    element = joint.find("origin")
    if element is None:
        return np.eye(4)
    what = f"origin of joint {joint.get('name')!r}"
    rpy = _numbers(element.get("rpy", "0 0 0"), 3, what, path)
    return pose(matrix_from_euler(np.array(rpy)), np.array(_numbers(element.get("xyz", "0 0 0"), 3, what, path)))


def _joint(joint: ElementTree.Element, place: np.ndarray, path: Path, max_velocity: float | None) -> dict:
    name = joint.get("name")
    element = joint.find("axis")
    axis = np.array(_numbers(element.get("xyz", "1 0 0") if element is not None else "1 0 0", 3, f"axis of joint {name!r}", path))
    length = float(np.linalg.norm(axis))
    if length < 1e-6:
        raise ConfigError(f"{path}: axis of joint {name!r} is zero")
    limit = joint.find("limit")
    bounds = {}
    for key in ("lower", "upper", "velocity"):
        text = limit.get(key) if limit is not None else None
        if key == "velocity" and max_velocity is not None:
            bounds[key] = max_velocity
        elif key != "velocity" and joint.get("type") == "continuous":
            bounds[key] = -math.pi if key == "lower" else math.pi
        elif text is None:
            raise ConfigError(
                f"{path}: joint {name!r} has no {key} limit" + ("; give max_velocity under urdf" if key == "velocity" else "")
            )
        else:
            bounds[key] = _numbers(text, 1, f"{key} limit of joint {name!r}", path)[0]
    return {
        "origin": place[:3, 3].tolist(),
        "orientation_xyzw": quaternion_from_matrix(place[:3, :3]).tolist(),
        "axis": (axis / length).tolist(),
        "lower": bounds["lower"],
        "upper": bounds["upper"],
        "max_velocity": bounds["velocity"],
    }
