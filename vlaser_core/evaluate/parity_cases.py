"""Reference cases on disk: a tiny random model of the original implementation with its inputs and outputs.

A case `name` is four files: `name.json` (sizes, and the tensors of its state dictionary under `state_dict_keys`) and
`name.{state_dict,inputs,outputs}.safetensors`. Any number of them may lie in a directory, of any sizes; the names of
their weights tell whether a case is of the policy or of the chat model.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from vlaser_core.errors import InputError
from vlaser_core.evaluate.parity import Missing, Skipped

Kind = Literal["policy", "chat"]
_MARKS: dict[Kind, str] = {"policy": "joint_model.", "chat": "language_model."}


class Tensors(dict[str, torch.Tensor]):
    """Tensors by name that remember which were asked for. Raises InputError for one that is absent."""

    def __init__(self, where: Path) -> None:
        try:
            super().__init__(load_file(where))
        except (OSError, SafetensorError) as error:
            raise InputError(f"cannot read {where}: {error}") from error
        self.where, self.used = where, set[str]()

    def __getitem__(self, name: str) -> torch.Tensor:
        self.used.add(name)
        return super().__getitem__(name)

    def __missing__(self, name: str) -> torch.Tensor:
        raise InputError(f"{self.where} lacks {name}")


@dataclass(frozen=True)
class Case:
    """facts: the json. state: the weights under upstream's names, copies expanded."""

    name: str
    facts: dict
    state: dict[str, torch.Tensor]
    inputs: Tensors
    outputs: Tensors

    def unused(self) -> Iterator[Skipped]:
        """What the case holds and nothing was compared with: named, not passed over."""
        for part, tensors in (("inputs", self.inputs), ("outputs", self.outputs)):
            if names := sorted(tensors.keys() - tensors.used):
                yield Skipped(self.name, f"{len(names)} {part} that this version compares nothing with: {', '.join(names[:5])}")


def _facts(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    return content if isinstance(content, dict) and "state_dict_keys" in content else {}


def kind_of(facts: dict) -> Kind | None:
    """What model a case's weights belong to; None when to neither."""
    return next((kind for kind, mark in _MARKS.items() if any(name.startswith(mark) for name in facts["state_dict_keys"])), None)


def load_case(path: Path) -> Case:
    """The case whose json is `path`. Raises InputError naming a file or tensor that is absent or damaged."""
    facts = _facts(path)
    files = {part: path.with_name(f"{path.stem}.{part}.safetensors") for part in ("state_dict", "inputs", "outputs")}
    absent = [file.name for file in files.values() if not file.is_file()]
    if absent or not facts:
        raise InputError(f"{path} lacks {', '.join(absent) or 'state_dict_keys'}: a case is a json and its state_dict, inputs and outputs")
    state = Tensors(files["state_dict"])
    copies = {copy: state[stored] for copy, stored in facts.get("state_dict_aliases", {}).items()}
    inputs, outputs = Tensors(files["inputs"]), Tensors(files["outputs"])
    for part, tensors in (("inputs", inputs), ("outputs", outputs)):
        if gone := [name for name in facts.get(part, ()) if name not in tensors]:
            raise InputError(f"{tensors.where} lacks {', '.join(gone[:5])}, which {path.name} lists")
    return Case(path.stem, facts, {**state, **copies}, inputs, outputs)


def cases(directory: Path, kind: Kind) -> Iterator[Case]:
    """Every case of that kind, by name. Raises Missing when there is none, InputError for one that is incomplete."""
    found = [path for path in sorted(directory.glob("*.json")) if (facts := _facts(path)) and kind_of(facts) == kind]
    if not found:
        raise Missing(f"no {kind} case (a json that lists {_MARKS[kind]}* tensors)")
    for path in found:
        yield load_case(path)
