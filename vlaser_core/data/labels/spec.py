"""Which model writes or judges, where it runs and what it may cost: a YAML file, such as config/data/labels/qwen2_5_vl.yaml."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from vlaser_core.data.labels.budget import Budget, Budgeted
from vlaser_core.data.labels.cache import Cached
from vlaser_core.data.labels.chat import Reply, Request, Writer
from vlaser_core.data.labels.endpoint import Endpoint
from vlaser_core.data.labels.grid import Grid
from vlaser_core.data.labels.retry import Patience, Retrying
from vlaser_core.embodiment import config_directory
from vlaser_core.errors import ConfigError


@dataclass(frozen=True)
class WriterSpec:
    """model: its name, as the endpoint knows it, in provenance and in the cache. endpoint: of an OpenAI-compatible server, or
    checkpoint: a folder on this machine; one of the two. concurrency: requests at once, of each worker process. timeout: seconds
    for one answer. attempts, longest_wait: see Patience. The key is in key_file and nowhere else.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)
    model: str
    endpoint: str | None = None
    checkpoint: str | None = None
    key_file: str | None = None
    device: str = "cpu"
    dtype: str = "float32"
    grid: Grid = field(default_factory=Grid)
    concurrency: int = 8
    timeout: float = 120.0
    attempts: int = 6
    first_wait: float = 1.0
    longest_wait: float = 60.0
    budget: Budget = field(default_factory=Budget)

    def __post_init__(self) -> None:
        if (self.endpoint is None) == (self.checkpoint is None):
            raise ValueError("a writer has an endpoint, or a checkpoint on this machine: state one of the two")
        if not self.model.strip() or self.concurrency < 1 or self.attempts < 1:
            raise ValueError("model has a name, and concurrency and attempts are at least 1")
        if not (0 < self.timeout < float("inf") and 0 <= self.first_wait <= self.longest_wait < float("inf")):
            raise ValueError("timeout is above 0, and longest_wait no less than first_wait")

    @property
    def settings(self) -> dict[str, str | int | float | bool]:
        """What answers depend on. Where the model runs, its key, patience and budget are not among it: they may change between runs."""
        grid = self.grid
        return {"model": self.model, "grid": f"{grid.unit} {grid.multiple} {grid.least}-{grid.most}"}

    def open(self, cache: Path, ends: float | None = None) -> Writer:
        """The writer with its patience, its budget and its memory below `cache`. ends: when the budget's hours are over (s since the epoch).

        Raises ConfigError for an endpoint or key that cannot be used, CheckpointError for a checkpoint.
        """
        if self.endpoint is not None:
            asked: Writer = Endpoint(
                self.endpoint, self.model, None if self.key_file is None else Path(self.key_file).expanduser(), self.timeout
            )
        else:
            from vlaser_core.data.labels.local import LocalWriter
            from vlaser_core.engine import Engine

            asked = LocalWriter(Engine.load(Path(str(self.checkpoint)).expanduser(), self.device, self.dtype), self.model)
        patience = Patience(self.attempts, self.first_wait, self.longest_wait)
        return Cached(Retrying(Budgeted(asked, self.budget, cache, ends), patience), cache)


class Opened:
    """A writer that is opened when it is first asked, by any thread; it travels to other processes unopened."""

    def __init__(self, spec: WriterSpec, cache: Path, ends: float | None = None) -> None:
        self.model = spec.model
        self._how = spec, cache, ends
        self._lock = threading.Lock()
        self._writer: Writer | None = None

    def __reduce__(self) -> tuple:
        return Opened, self._how

    def write(self, request: Request) -> Reply:
        with self._lock:
            if self._writer is None:
                spec, cache, ends = self._how
                self._writer = spec.open(cache, ends)
        return self._writer.write(request)


def load_writer(name_or_path: str) -> WriterSpec:
    """A writer's file: a path (*.yaml), or a name below config/data/labels. Raises ConfigError naming the file and the field."""
    path = (
        Path(name_or_path) if name_or_path.endswith((".yaml", ".yml")) else config_directory() / "data" / "labels" / f"{name_or_path}.yaml"
    )
    try:
        return TypeAdapter(WriterSpec).validate_json(json.dumps(yaml.safe_load(path.read_text(encoding="utf-8"))))
    except OSError as error:
        known = sorted(file.stem for file in (config_directory() / "data" / "labels").glob("*.yaml") if file.stem != "families")
        raise ConfigError(f"cannot read writer {path}: {error.strerror}; known: {', '.join(known)}, or the path of one (*.yaml)") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'writer'}: {fault['msg']}" for fault in error.errors())
        raise ConfigError(f"{path}: {faults}") from error
