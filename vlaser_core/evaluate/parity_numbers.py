"""Parity of what surrounds the network: rotations, normalisation, resizing, schedule, flow time, time embedding."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from vlaser_core.evaluate.parity import ACTION, Check, close, need
from vlaser_core.geometry import euler_from_matrix, matrix_from_euler, matrix_from_rotvec, rotvec_from_matrix
from vlaser_core.model.encodings import time_embedding
from vlaser_core.model.flow import time_of_beta
from vlaser_core.processing.normalization import load_statistics
from vlaser_core.processing.pixels import square
from vlaser_core.train.schedule import upstream_learning_rate

GRIPPER = (6,)


def number_checks(directory: Path) -> Iterator[Check]:
    """All checks of `misc_vla.json` that concern no simulator."""
    reference = json.loads(need(directory / "misc_vla.json").read_text(encoding="utf-8"))
    for index, case in enumerate(reference["geometry"]):
        matrix = matrix_from_euler(case["euler_sxyz"])
        yield close("geometry", f"matrix of Euler angles {index}", matrix, case["mat"], 1e-12)
        yield close("geometry", f"Euler angles of matrix {index}", euler_from_matrix(np.array(case["mat"])), case["euler_back"], 1e-8)
        yield close("geometry", f"matrix of rotation vector {index}", matrix_from_rotvec(case["rotvec"]), case["mat"], 2e-9)
        turn = case["angle"] * np.array(case["axis"])
        yield close("geometry", f"matrix of axis and angle {index}", matrix_from_rotvec(turn), case["mat"], 2e-9)
        # Ours is the short way round, so vectors beyond half a turn differ while the rotation does not.
        yield close("geometry", f"matrix of our rotation vector {index}", matrix_from_rotvec(rotvec_from_matrix(matrix)), case["mat"], 2e-9)
    for robot in ("bridge", "fractal"):
        statistics = load_statistics(need(directory.parent / "statistics" / f"{robot}_statistics.json"))
        for index, case in enumerate(reference["proprio"]):
            normalised = statistics.normalise_proprio(np.array(case[f"{robot}_raw_proprio"]))
            yield close("normalisation", f"{robot} proprioception {index}", normalised, case[f"{robot}_norm_proprio"], ACTION)
    bridge = load_statistics(directory.parent / "statistics" / "bridge_statistics.json")
    for index, case in enumerate(reference["actions"]):
        physical = bridge.denormalise_actions(np.array(case["model_actions"]), GRIPPER)
        yield close("normalisation", f"bridge translation {index}", physical[:, :3], np.array(case["bridge_env_actions"])[:, :3], ACTION)
    resize = reference["resize_lanczos4"]
    resized = square(np.array(resize["in"], dtype=np.uint8), resize["size_wh"][0], "lanczos4")
    yield close("pixels", "Lanczos stretch", resized, resize["out"], 0.0)
    for index, case in enumerate(reference["lr_schedule"]):
        rates = [
            upstream_learning_rate(
                update, cycle=case["first_cycle_steps"], warmup=case["warmup"], maximum=case["max_lr"], minimum=case["min_lr"]
            )
            for update in range(len(case["lr_before_update_k"]))
        ]
        yield close("schedule", f"learning rate {index}", rates, case["lr_before_update_k"], 1e-15)
    beta = reference["beta_time"]
    yield close("flow", "training time", time_of_beta(torch.tensor(beta["z"])), beta["t"], 1e-7)
    for case in reference["time_embedding"]:
        ours = time_embedding(torch.tensor(case["t"]), case["dim"], case["max_period"])
        yield close("flow", f"time embedding {case['dim']} wide, period {case['max_period']:g}", ours, case["emb"], 1e-6)
