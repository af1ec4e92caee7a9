"""`vlaser inspect`: what a checkpoint folder holds, from its text files and the weights' header. No ROS."""

from __future__ import annotations

import json
from collections import Counter
from math import prod
from pathlib import Path

from vlaser_core.errors import CheckpointError, ConfigError


def describe(folder: Path) -> dict:
    """Sizes, robot, statistics and parameters by component. Weights are listed, not loaded.

    Raises CheckpointError naming what is missing, damaged or does not fit together.
    """
    from safetensors import SafetensorError, safe_open

    from vlaser_core.checkpoint.folder import REQUIRED, read_config
    from vlaser_core.embodiment import load_embodiment
    from vlaser_core.processing.normalization import load_statistics

    if not folder.is_dir():
        raise CheckpointError(f"there is no checkpoint folder at {folder}")
    missing = [name for name in REQUIRED if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(f"checkpoint {folder} lacks {', '.join(missing)}; a checkpoint holds {', '.join(REQUIRED)} and a tokenizer")
    config = read_config(folder)
    try:
        embodiment = load_embodiment(folder / "embodiment.yaml")
    except ConfigError as error:
        raise CheckpointError(f"checkpoint {folder}: {error}") from error
    statistics = load_statistics(folder / "statistics.json")
    statistics.check(embodiment, str(folder / "statistics.json"))
    weights = folder / "model.safetensors"
    components: Counter[str] = Counter()
    dtypes: Counter[str] = Counter()
    try:
        # Opening compares the file's length with its header: a truncated file is refused here.
        with safe_open(weights, framework="numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - not a mapping
                tensor = tensors.get_slice(name)
                count = prod(tensor.get_shape())
                components[name.partition(".")[0]] += count
                dtypes[tensor.get_dtype()] += count
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"cannot read {weights} (truncated or not safetensors): {error}") from error
    return {
        "checkpoint": str(folder),
        "bytes": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
        "files": sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()),
        "parameters": {"total": components.total(), **dict(sorted(components.items()))},
        "dtypes": dict(dtypes),
        "model": config.to_dict(),
        "embodiment": {
            "name": embodiment.name,
            "description": embodiment.description,
            "cameras": [camera.name for camera in embodiment.cameras],
            "proprio": list(embodiment.proprio.names),
            "action": {"kind": embodiment.action.kind, "names": list(embodiment.action.names), "horizon": embodiment.action.horizon, "rate_hz": embodiment.action.rate_hz},
        },
        "trained_on": {"transitions": statistics.num_transitions, "trajectories": statistics.num_trajectories},
    }


def inspect(folder: Path) -> int:
    print(json.dumps(describe(folder), indent=1))
    return 0
