"""Parity of SimplerEnv's conventions with the adapters the published policies were evaluated through."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sim_bridge.simpler.conventions import GoogleActions, google_proprio, rotation_vector, widowx_action, widowx_proprio
from vlaser_core.evaluate.parity import ACTION, Check, close, need
from vlaser_core.processing.normalization import load_statistics

GRIPPER = (6,)


def simpler_checks(directory: Path) -> Iterator[Check]:
    """State in and actions out for both robots, the sticky gripper and the rotation vector among them."""
    reference = json.loads(need(directory / "misc_vla.json").read_text(encoding="utf-8"))
    bridge, fractal = (load_statistics(need(directory.parent / "statistics" / f"{name}_statistics.json")) for name in ("bridge", "fractal"))
    for index, case in enumerate(reference["geometry"]):
        yield close("simpler", f"rotation vector {index}", rotation_vector(case["euler_sxyz"]), case["rotvec"], 2e-8)
    for index, case in enumerate(reference["proprio"]):
        eef = np.array(case["eef_pos_wxyz_openness"])
        yield close("simpler", f"WidowX state {index}", widowx_proprio(eef), case["bridge_raw_proprio"], ACTION)
        yield close("simpler", f"Google robot state {index}", google_proprio(eef), case["fractal_raw_proprio"], ACTION)
    for index, case in enumerate(reference["actions"]):
        actions = bridge.denormalise_actions(np.array(case["model_actions"]), GRIPPER)
        yield close("simpler", f"WidowX actions {index}", [widowx_action(action) for action in actions], case["bridge_env_actions"], ACTION)
    sticky, robot = reference["fractal_sticky"], GoogleActions()
    actions = fractal.denormalise_actions(np.array(sticky["model_actions"]), GRIPPER)
    yield close("simpler", "Google robot actions, gripper held", [robot(action) for action in actions], sticky["env_actions"], ACTION)
