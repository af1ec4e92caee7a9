"""A run on disk: what it goes on from after it was stopped, however that happened.

One file, replaced whole. Weights, their average and the optimiser's moments are stored in one piece, so that a run spread
over processes goes on with another number of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from vlaser_core.errors import VlaserError
from vlaser_core.train.average import Average
from vlaser_core.train.optimizer import Optimizer
from vlaser_core.train.processes import like, whole


def save_atomically(content: dict, path: Path) -> None:
    """torch.save that never leaves a half-written file under the final name. Raises VlaserError where it cannot be written."""
    partial = path.with_suffix(path.suffix + ".part")
    try:
        with partial.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except (OSError, RuntimeError) as error:  # torch's zip writer turns a full disk into a RuntimeError
        partial.unlink(missing_ok=True)
        kept = f"; {path.name} is still the one saved before" if path.exists() else ""
        raise VlaserError(f"cannot write {path}: {_cause(error)}{kept}. Make room and run the same command again") from error


def _cause(error: BaseException) -> str:
    """What the system said, below whatever was raised on top of it."""
    while not isinstance(error, OSError) and (error.__cause__ or error.__context__):
        error = error.__cause__ or error.__context__
    return str(error)


def _mapped(content, change: Callable[[torch.Tensor], torch.Tensor]):
    if isinstance(content, torch.Tensor):
        return change(content)
    if isinstance(content, dict):
        return {key: _mapped(value, change) for key, value in content.items()}
    return [_mapped(value, change) for value in content] if isinstance(content, list) else content


class RunState:
    """What changes in a run: trained weights by name, optimiser, average, and `progress`, the loop's own numbers."""

    def __init__(self, path: Path, names: list[str], parameters: list[nn.Parameter], optimizer: Optimizer, average: Average) -> None:
        self.path, self.names, self.parameters, self.optimizer, self.average = path, names, parameters, optimizer, average

    def save(self, step: int, progress: dict, writes: bool) -> None:
        """Every process takes part, the one that `writes` writes."""
        content = {
            "step": step,
            "progress": progress,
            "parameters": {name: whole(parameter) for name, parameter in zip(self.names, self.parameters, strict=True)},
            "optimizer": [_mapped(part.state_dict(), whole) for part in self.optimizer.parts],
            "average": [whole(value) for value in self.average.values],
        }
        if writes:
            save_atomically(content, self.path)

    def load(self) -> tuple[int, dict]:
        """(steps done, progress); (0, {}) where there is no state. Raises VlaserError for a damaged file or another model's."""
        if not self.path.exists():
            return 0, {}
        anew = f"give another --out, or remove {self.path} to begin anew"
        try:
            stored = torch.load(self.path, weights_only=True, map_location="cpu", mmap=True)
            values, step, progress = stored["parameters"], int(stored["step"]), dict(stored["progress"])
            differs = [
                name
                for name, parameter in zip(self.names, self.parameters, strict=True)
                if name not in values or values[name].shape != parameter.shape
            ] or sorted(values.keys() - set(self.names))
            optimizer, average = [dict(part) for part in stored["optimizer"]], stored["average"]
        except Exception as error:
            raise VlaserError(f"cannot go on from {self.path}: {error}; {anew}") from error
        if differs or len(average) != len(self.average.values):
            what = f"it trained other weights ({differs[0]})" if differs else "it was averaged otherwise (ema)"
            raise VlaserError(f"cannot go on from {self.path}: {what}; {anew}")
        if len(optimizer) != len(self.optimizer.parts):
            raise VlaserError(f"cannot go on from {self.path}: it was trained with another optimizer; {anew}")
        with torch.no_grad():
            for name, parameter in zip(self.names, self.parameters, strict=True):
                parameter.copy_(like(values[name].to(parameter.dtype), parameter))
        for part, kept in zip(self.optimizer.parts, optimizer, strict=True):
            # Its numbering of parameters is the groups', which differs from that of the names.
            ordered = [parameter for group in part.param_groups for parameter in group["params"]]
            state = {
                index: {key: value.clone() if value.ndim == 0 else like(value, ordered[index]) for key, value in entry.items()}
                for index, entry in kept["state"].items()
            }
            part.load_state_dict({"state": state, "param_groups": part.state_dict()["param_groups"]})
        self.average.values = [like(value.clone(), held) for value, held in zip(average, self.average.values, strict=True)]
        return step, progress
