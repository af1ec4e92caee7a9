"""What people call the things of other simulators: `config/data/states/things.yaml`.

    SimplerEnv:
      - {name: "bridge_carrot*", kind: carrot, colour: orange, hold: true}
      - {name: dummy_sink_target_plane, ignored: true}
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.vocabulary import COLOURS, phrases
from vlaser_core.embodiment import config_directory
from vlaser_core.errors import ConfigError


@dataclass(frozen=True)
class Words:
    """How a thing is spoken of. name: the simulator's, `*` and `?` as in file names; `task/name` for that task alone.

    kind: empty for what is not counted. colour: one of COLOURS, empty for things of several. phrases: where they are other than kind
    and colour make them, the usual one first. hold: its middle is where fingers take it. ignored: no thing to a person.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)
    name: str
    kind: str = ""
    colour: str = ""
    phrases: tuple[str, ...] = ()
    hold: bool = False
    ignored: bool = False

    def __post_init__(self) -> None:
        if not (self.ignored or self.kind or self.phrases):
            raise ValueError(f"{self.name}: state its kind, phrases, or ignored: true")
        if self.colour and self.colour not in COLOURS:
            raise ValueError(f"{self.name}: colour {self.colour!r} is not one of {', '.join(COLOURS)}")
        if not self.phrases and self.kind:
            object.__setattr__(self, "phrases", phrases(self.kind, self.colour))


@dataclass(frozen=True)
class Things:
    """Words by simulator; the first whose name fits counts."""

    by_simulator: dict[str, tuple[Words, ...]]
    path: Path

    def words(self, simulator: str, task: str, name: str) -> Words:
        """Raises Damaged for a thing that nobody has named yet."""
        for words in self.by_simulator.get(simulator, ()):
            if fnmatchcase(f"{task}/{name}" if "/" in words.name else name, words.name):
                return words
        raise Damaged("thing without words", f"{simulator}'s {name!r} is not in {self.path}; add a line for it")


def load_things(path: Path | None = None) -> Things:
    """The file's words, by default config/data/states/things.yaml. Raises ConfigError naming the file and the field."""
    path = path or config_directory() / "data" / "states" / "things.yaml"
    try:
        # Strict JSON mode: lists become tuples, but "no" does not become False.
        plain = json.dumps(yaml.safe_load(path.read_text(encoding="utf-8")))
        return Things(TypeAdapter(dict[str, tuple[Words, ...]]).validate_json(plain), path)
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise ConfigError(f"{path}: {faults}") from error
