"""What EmbodiedBench's planner is asked (embodiedbench/planner/vlm_planner.py), and which actions its answer names."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlaser_core.errors import InputError
from vlaser_core.evaluate.benchmarks.question import NO_PLAN, Metric
from vlaser_core.evaluate.benchmarks.skills import any_json

SHOTS = 10
EMPTY = "an empty plan"
NO_ACTION = "the first action of the plan does not exist"
_RULES = {
    "alfred": {
        "find": "go to a receptacle or an object; always possible when it is in the room",
        "pick up": "only near the object, with empty hands, and not out of a closed receptacle",
        "put down": "only with something in hand, onto the receptacle that is near",
        "drop": "lets go of what is in hand, wherever that is",
        "open, close": "only near a receptacle that is closed, or open",
        "turn on, turn off": "only near the thing, when it is off, or on",
        "slice": "only near something that can be sliced",
    },
    "habitat": {
        "navigate": "go to a receptacle; always possible when it is there",
        "pick up": "only near the object, with empty hands, and not out of a closed receptacle",
        "place": "only near the receptacle and with something in hand",
        "open, close": "only near a receptacle that is closed, or open",
    },
}
_OWN_FORM = (
    "\nThe output json format should be {'visual_state_description':str, 'reasoning_and_reflection':str, 'language_plan':str, 'executable_plan':List[{'action_id':int, 'action_name':str}...]}\n"
    "1. visual_state_description: the current state, from the image.\n"
    "2. reasoning_and_reflection: the history of interactions and feedback, and why the last action or plan failed or did not finish the task.\n"
    "3. language_plan: the actions that achieve the instruction, each with its number and name.\n"
    "4. executable_plan: the same as a list, each action with its id and name.\n"
    "5. Keep the plan efficient and concise.\n"
    "Output nothing but this JSON, without ```json and ```.\n"
)


@dataclass(frozen=True)
class Words:
    """system: with three `{}` for the last action's number, the list of actions, and examples. form: how to answer, asked of models without a
    fixed form of answer, InternVL among them. own: whether they are ours, not EmbodiedBench's."""

    system: str
    form: str
    examples: tuple[str, ...]
    own: bool


def words_of(checkout: Path | None, environment: str, eval_set: str) -> Words:
    """EmbodiedBench's own prompts and examples from a checkout; without one, ours of the same content and no examples.

    The prompts' files are Python; they are read, never run. Raises InputError for a checkout that lacks them.
    """
    if checkout is None:
        return Words(_own_system(environment), _OWN_FORM, (), own=True)
    config = checkout / "embodiedbench" / "evaluator" / "config"
    try:
        system = _constant(config / "system_prompts.py", f"{environment}_system_prompt")
        form = _constant(checkout / "embodiedbench" / "planner" / "planner_utils.py", "template")
        name = "alfred_long_horizon" if environment == "alfred" and eval_set == "long_horizon" else environment
        examples = json.loads((config / f"{name}_examples.json").read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{config} lacks EmbodiedBench's prompts: {error}; give the folder that holds its checkout") from error
    if system.count("{}") != 3 or not isinstance(examples, list):
        raise InputError(f"{config}: the system prompt has not three places to fill, or its examples are no list; give EmbodiedBench's checkout")
    return Words(system, form, tuple(map(str, examples[:SHOTS])), own=False)


def prompt_of(words: Words, instruction: str, actions: Sequence[str], history: Sequence[tuple[int, str]]) -> str:
    """The text for one step of planning. history: (action, feedback) of every step so far."""
    last = len(actions) - 1
    listed = ", ".join(f"\naction id {number}: {name}" for number, name in enumerate(actions))
    gap = "  " if history else " "  # EmbodiedBench writes two spaces once there is a history
    examples = "\n\n".join(f"## Task Execution Example{gap}{number}: \n {text}" for number, text in enumerate(words.examples))
    head, middle, tail, end = words.system.split("{}")
    instruction = instruction.rstrip(".")
    prompt = f"{head}{last}{middle}{listed}{tail}{examples}{end}\n\n## Now the human instruction is: {instruction}."
    if not history:
        prompt += (
            " You are supposed to output in json. You need to describe current visual state from the image, output your reasoning steps and plan. "
            f"At the end, output the action id (0 ~ {last}) from the available actions to excute."
        )
        return prompt + words.form
    prompt += "\n\n The action history:"
    for step, (action, feedback) in enumerate(history):
        prompt += f"\nStep {step}, action id {action}, {actions[action]}, env feedback: {feedback}"
    prompt += (
        f"\n\n Considering the above interaction history and the current image state, to achieve the human instruction: '{instruction}', you are supposed to output in json. "
        "You need to describe current visual state from the image, summarize interaction history and environment feedback and reason why the last action or plan failed and did not "
        "finish the task, output your new plan to achieve the goal from current state. At the end, output the excutable plan with action ids"
        f"(0 ~ {last}) from the available actions."
    )
    return prompt + words.form


def plan_of(text: str, actions: int, metric: Metric) -> tuple[list[int], str]:
    """(action ids up to the first that does not exist, why there is none to carry out or ""). upstream: the text must be JSON and nothing else."""
    try:
        found: Any = json.loads(text) if metric == "upstream" else any_json(text)
    except (ValueError, RecursionError):
        return [], NO_PLAN
    steps = found.get("executable_plan") if isinstance(found, dict) else None
    if not isinstance(steps, list):
        return [], NO_PLAN
    ids: list[int] = []
    for step in steps:
        value = step.get("action_id") if isinstance(step, dict) else None
        if metric == "corrected" and isinstance(value, str) and value.strip().isdecimal():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            return [], NO_PLAN
        ids.append(value)
    if not ids:
        return [], EMPTY
    valid = next((place for place, action in enumerate(ids) if not 0 <= action < actions), len(ids))
    return (ids[:valid], "") if valid else ([], NO_ACTION)


def _constant(path: Path, name: str) -> str:
    """The text that a Python file gives to `name`. Raises ValueError where it gives none."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        named = isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
        if named and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return node.value.value
    raise ValueError(f"{path.name} has no text called {name}")


def _own_system(environment: str) -> str:
    rules = "\n".join(f"- {name}: {rule}" for name, rule in _RULES[environment].items())
    return (
        "## You are a robot in a home. Fulfil a task with the actions that are listed.\n\n## Actions and when they are possible\n"
        f"{rules}\n\n## The available action id (0 ~ {{}}) and action names are: {{}}.\n\n{{}}\n\n## Rules\n"
        "1. A plan is never empty and has at most 20 actions.\n2. Go to what you mean to use before you use it.\n3. Ids and names belong together as listed.\n"
        "4. Do not repeat what did not help.\n5. Several things of one kind carry numbers; if one is not it, try the others.\n"
        "6. Learn from the feedback: an action that failed says why.\n"
    )
