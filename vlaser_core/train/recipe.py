"""A training recipe: one YAML file with the fields of one frozen dataclass.

recipe = read_recipe(FlowRecipe, "flow_nano")            # config/train/flow_nano.yaml, or a path
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter

from vlaser_core.embodiment import config_directory, read_yaml, validate
from vlaser_core.errors import ConfigError

Recipe = TypeVar("Recipe")


def recipe_path(name_or_path: str) -> Path:
    """The file of a recipe in config/train, or the path itself. Raises ConfigError naming the known ones."""
    if name_or_path.endswith((".yaml", ".yml")):
        return Path(name_or_path)
    folder = config_directory() / "train"
    found = folder / f"{name_or_path}.yaml"
    if not found.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml"))) or "none"
        raise ConfigError(f"no recipe {name_or_path!r}; known: {known}, or the path of one (*.yaml)")
    return found


def read_recipe(kind: type[Recipe], name_or_path: str) -> Recipe:
    """The recipe of that name or path. Raises ConfigError naming the file and each field that is wrong."""
    path = recipe_path(name_or_path)
    return validate(kind, read_yaml(path), str(path))


def keep_recipe(recipe: object, out: Path, may_change: Collection[str]) -> None:
    """Write a run's recipe to `out`/recipe.json, or compare it with the one that began there. may_change: fields, `loop.steps`
    for a nested one, that a run may go on with another value of. Raises ConfigError naming every other one that differs.
    """
    plain = TypeAdapter(type(recipe)).dump_python(recipe, mode="json")
    path = out / "recipe.json"
    try:
        out.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            begun, now = _flat(json.loads(path.read_text(encoding="utf-8"))), _flat(plain)
            differs = [f"{key} was {begun.get(key)!r}, now {now.get(key)!r}" for key in now if begun.get(key) != now[key] and key not in may_change]
            if differs:
                raise ConfigError(f"{out} was begun with another recipe ({'; '.join(differs)}); keep to it, or give another --out")
        path.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot keep the recipe in {path}: {error}") from error


def _flat(plain: dict, before: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in plain.items():
        found |= _flat(value, f"{before}{key}.") if isinstance(value, dict) else {before + key: value}
    return found
