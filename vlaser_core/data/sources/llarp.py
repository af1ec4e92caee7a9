"""Household plans from LLaRP's Language Rearrangement (apple/ml-llarp), made from its templates.

    llarp/dataset/configs/instructions.yaml   instructions with holes, what may fill them, and the solution of each
    llarp/dataset/configs/dataset.yaml        the objects and receptacles

The published episodes are pickles, which are never opened here; these two files are what the episodes were drawn from. A plan
follows from the template exactly. A place the instruction does not name cannot be known from it: its step is to find the
object there. Text only: the benchmark's pictures exist only while its simulator runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import yaml

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.source import Damage, Sample, Unit
from vlaser_core.data.sources.base import Described, unit_rng
from vlaser_core.errors import InputError
from vlaser_core.reasoning.parse import TASK_DONE

_HOLE = re.compile(r"`([^`]+)`")
_STEP = re.compile(r"(\w+?)_?(?:`([^`]+)`)?\(([^)]*)\)")
_NEXT = ("{instruction} {done} What is the next step?", "{instruction} {done} What comes next?")
_QUESTION = ("What are the steps to do this? {instruction}", "{instruction} Give the plan.", "List the steps: {instruction}")


class LlarpPlans(Described):
    """plans: most drawn of a template, of which each sentence is kept once; with its plan goes a question for the next step. Templates without a written solution, and the evaluation's, are not used."""

    name = "llarp"
    licence = "Apple Sample Code licence"
    domain = "simulated apartments"
    provenance = "benchmark's own solution templates"
    get = "clone github.com/apple/ml-llarp and give its folder"

    def __init__(self, root: Path, plans: int = 40000) -> None:
        super().__init__(root)
        self.plans = plans
        self._content: tuple[dict, dict] | None = None

    def units(self) -> Sequence[Unit]:
        """One unit a template."""
        return [Unit(self.name, key) for key in self._read()[0]["instructions"] if self._usable(key)]

    def read(self, unit: Unit, damage: Damage, seed: int) -> Iterator[Sample]:
        rng, seen = unit_rng(unit, seed), set()
        for number in range(self.plans):
            try:
                instruction, steps = self._draw(unit.key, rng)
                if instruction in seen:  # few entities fit: the same sentence once is enough
                    continue
                seen.add(instruction)
                question = _QUESTION[rng.integers(len(_QUESTION))].format(instruction=instruction)
                answer = "\n".join(f"{place}. {step}" for place, step in enumerate(steps, start=1))
                yield self.sample(f"{number}.plan", [], [(question, answer)], "planning", "household_plan")
                yield self._next(number, instruction, steps, rng)
            except Damaged as error:
                damage.skip(f"template {unit.key} ({error})", error.reason)
                return

    def _next(self, number: int, instruction: str, steps: list[str], rng: np.random.Generator) -> Sample:
        """The step that follows when some of the plan is done."""
        count = int(rng.integers(len(steps) + 1))
        done = f"Done so far: {', '.join(steps[:count])}." if count else "Nothing is done yet."
        question = _NEXT[rng.integers(len(_NEXT))].format(instruction=instruction, done=done)
        return self.sample(
            f"{number}.next", [], [(question, steps[count] if count < len(steps) else TASK_DONE)], "planning", "household_next_step"
        )

    def _read(self) -> tuple[dict, dict]:
        if self._content is None:
            folder = self.root / "llarp" / "dataset" / "configs"
            try:
                parts = [yaml.safe_load((folder / name).read_text(encoding="utf-8")) for name in ("instructions.yaml", "dataset.yaml")]
            except FileNotFoundError as error:
                raise self.missing("llarp/dataset/configs/instructions.yaml and dataset.yaml") from error
            except (OSError, yaml.YAMLError) as error:
                raise InputError(f"cannot read the templates in {folder}: {error}") from error
            if not all(isinstance(part, dict) for part in parts) or "instructions" not in parts[0]:
                raise InputError(f"{folder} holds no instruction templates; {self.get}")
            self._content = parts[0], parts[1]
        return self._content

    def _usable(self, key: str) -> bool:
        template = self._read()[0]["instructions"][key]
        return bool(template.get("solution_template") and template.get("lang", {}).get("train")) and "v2_train" in template.get("tags", ())

    def _draw(self, key: str, rng: np.random.Generator) -> tuple[str, list[str]]:
        template = self._read()[0]["instructions"][key]
        try:
            entities = self._entities(template, rng)
            wordings = template["lang"]["train"]
            wording = wordings[rng.integers(len(wordings))]
            said = set(_HOLE.findall(wording))
            instruction = _articles(_HOLE.sub(lambda hole: entities[hole.group(1)], wording)).strip()
            held = {spec.get("recep"): name for name, spec in (template.get("sampled_objects") or {}).items()}
            steps = [self._step(step, entities, said, held) for step in template["solution_template"]]
        except (KeyError, TypeError, IndexError, ValueError) as error:
            raise Damaged("template cannot be filled", repr(error)) from error
        return instruction if instruction[-1] in ".?!" else f"{instruction}.", self._without_idle(steps)

    @staticmethod
    def _without_idle(steps: list[str]) -> list[str]:
        """A template goes to a place anew although the robot stands there already."""
        kept: list[str] = []
        place = ""
        for step in steps:
            if step != place:
                kept.append(step)
            if step.startswith(("go to", "find")):
                place = step
        return kept

    def _entities(self, template: dict, rng: np.random.Generator) -> dict[str, str]:
        content, data = self._read()
        names: dict[str, str] = content.get("name_mappings", {})
        places = {entry["name"]: entry["included_receptacle_substrings"] for entry in data["receptacle_sets"]}
        kinds = {name: entry["included"] for name, entry in data["category_groups"].items()}
        drawn: dict[str, str] = {}
        for specs, pool in (("sampled_receps", places), ("sampled_objects", kinds)):
            for name, spec in (template.get(specs) or {}).items():
                group = spec["type"] if specs == "sampled_receps" else spec["types"]["train"]
                taken = {drawn[other] for other in spec.get("not_equal", ()) if other in drawn}
                options = [option for option in pool[group] if option not in taken]
                drawn[name] = options[rng.integers(len(options))]
        return {name: names.get(value, value) for name, value in drawn.items()}

    def _step(self, step: str, entities: dict[str, str], said: set[str], held: dict[str, str]) -> str:
        found = _STEP.fullmatch(step.strip())
        if not found:
            raise ValueError(f"unknown step {step!r}")
        verb, thing, argument = found.group(1), found.group(2), found.group(3).strip()
        place = argument.strip("`")
        names: dict[str, str] = self._read()[0].get("name_mappings", {})
        where = entities.get(place) or names.get(place, place)
        if verb == "nav":
            if place in entities and place not in said and place in held:
                return f"find the {entities[held[place]]}"
            return f"go to the {where}"
        if verb == "pick":
            return f"pick up the {entities[thing]}"
        if verb == "place":
            return f"put it on the {where}"
        if verb in ("open_fridge", "close_fridge"):
            return f"{verb.split('_')[0]} the fridge"
        raise ValueError(f"unknown step {step!r}")


def _articles(text: str) -> str:
    """The templates write `a` or `an` before a hole whatever fills it."""
    return re.sub(r"\b([Aa])n? (?=(\w))", lambda found: f"{found.group(1)}{'n' if found.group(2).lower() in 'aeiou' else ''} ", text)
