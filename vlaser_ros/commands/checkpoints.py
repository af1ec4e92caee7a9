"""What `vlaser` can be asked about checkpoints and their size: arguments alone, read by tyro."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Union

import tyro
from tyro.conf import Positional, subcommand

from vlaser_ros.commands.bench_gate import BenchGate
from vlaser_ros.commands.bench_ros import BenchFaults, BenchRos
from vlaser_ros.commands.serve import BenchServe


@dataclass(frozen=True)
class Inspect:
    """What a checkpoint is: parts, shapes, types, parameters, robot, what is missing or left over. Reads no weights into memory."""

    checkpoint: Positional[Path]  # a folder in any layout, or upstream's .pt file
    json: bool = False  # everything, as JSON
    tensors: bool = False  # also every tensor by name

    def run(self) -> int:
        from vlaser_ros.commands.inspection import inspect

        return inspect(self.checkpoint, self.json, self.tensors)


@dataclass(frozen=True)
class Convert:
    """Turn a published checkpoint into a folder that carries its robot, statistics and tokenizer."""

    source: Positional[Path] = tyro.MISSING  # InternVL-chat or InternVL-hf folder, or upstream's .pt file
    destination: Positional[Path] = tyro.MISSING  # the folder to write
    embodiment: str | None = None  # the robot: a contract's name or YAML file; needed by a policy and a new expert
    statistics: Path | None = None  # JSON of the data the policy was trained on; needed as the robot is
    tokenizer: Path | None = None  # folder; the source's own by default
    dtype: str | None = None  # float32, bfloat16 or float16; as stored by default
    time_max_period: float | None = None  # of the time embedding, in no file: by default 100 with eight state values (Fractal), else 10000
    flow_steps: int | None = None  # integration steps, 10 by default
    tables: Literal["exact", "bfloat16"] | None = None  # rotary and time frequencies: exact as upstream evaluates, or as it trained
    vision_heads: int | None = None  # of an upstream file's vision tower; one for 64 channels by default
    new_expert: bool = False  # give a model that only reasons an action expert that has learned nothing yet
    expert_width: int | None = None  # of the new expert; upstream's for a 2B or 8B backbone by default
    expert_mlp: int | None = None  # of the new expert, likewise
    chat_system: Literal["internvl", "none"] | None = None  # system text of questions: InternVL's sentence, or the word None
    seed: int = 0  # of the new expert's weights
    overwrite: bool = False  # replace the destination when the new folder is complete

    def run(self) -> int:
        from vlaser_ros.commands.conversion import convert

        return convert(self)


@dataclass(frozen=True)
class Export:
    """Write a checkpoint's backbone in the InternVL-chat layout, bit by bit as it is stored."""

    source: Positional[Path] = tyro.MISSING  # a folder in any layout, or upstream's .pt file
    destination: Positional[Path] = tyro.MISSING  # the folder to write
    tokenizer: Path | None = None  # folder; the source's own by default
    overwrite: bool = False  # replace the destination when the new folder is complete

    def run(self) -> int:
        from vlaser_ros.commands.conversion import export

        return export(self.source, self.destination, self.tokenizer, self.overwrite)


@dataclass(frozen=True)
class BenchSize:
    """Make a model of random weights at full size: time to make it, peak memory, time a chunk and a token."""

    size: Literal["nano", "2b", "8b"] = "2b"  # of the model
    dtype: str = "bfloat16"  # float32, bfloat16 or float16
    device: str = "cpu"  # cpu, cuda, cuda:1 …
    threads: int | None = None  # CPU threads, torch's choice by default
    expert_mlp: int | None = None  # of a 2B's expert: 8960 by default, 4096 in upstream's other variant
    chunks: int = 3  # how many to time, after one that is not
    tokens: int = 16  # of text
    json: bool = False  # only the result, as one JSON line

    def run(self) -> int:
        from vlaser_ros.commands.bench import bench_size

        return bench_size(self)


@dataclass(frozen=True)
class BenchConvert:
    """Write a random checkpoint at full size in a published layout, convert, load and export it: peak memory and time of each."""

    size: Literal["2b", "8b"] = "2b"  # of the model
    layout: Literal["internvl_chat", "internvl_hf", "upstream"] = "internvl_chat"  # the published layout to start from
    dtype: str = "bfloat16"  # of the weights: float32, bfloat16 or float16
    folder: Path | None = None  # where to write, twice the model's size for a while; a temporary folder by default
    json: bool = False  # only the result, as one JSON line

    def run(self) -> int:
        from vlaser_ros.commands.bench import bench_convert

        return bench_convert(self)


Bench = Union[
    Annotated[BenchSize, subcommand("size")],
    Annotated[BenchConvert, subcommand("convert")],
    Annotated[BenchGate, subcommand("gate")],
    Annotated[BenchFaults, subcommand("faults")],
    Annotated[BenchRos, subcommand("ros")],
    Annotated[BenchServe, subcommand("serve")],
]
