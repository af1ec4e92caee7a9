"""VLABench's questions for language models (VLABench/vlm_evaluation_v1.0): `<dimension>/<task>/example<N>/` with `input/input.png`, `input/input_mask.png`
(the same with numbers), `input/instruction.txt` and `output/operation_sequence.json` ({skill_sequence: [{name, params}]}).

Asked without examples. The long instruction before each question is VLABench's own where `eval_vlm_en.txt` of its repository (VLABench/configs/prompt/)
lies beside the dimensions; otherwise ours, of the same content. The score is the mean of the dimensions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.source import Damage
from vlaser_core.errors import InputError
from vlaser_core.evaluate.benchmarks.files import picture_file, read_json
from vlaser_core.evaluate.benchmarks.question import NO_PLAN, Fault, Judged, Metric, Question, Questions, Score, Verdict, mean_of_groups
from vlaser_core.evaluate.benchmarks.skills import PATTERNS, any_json, compare, fenced_json, skills_of, total

PROMPT = "eval_vlm_en.txt"
DIMENSIONS = ("M&T", "CommonSense", "CommenSence", "Semantic", "Spatial", "PhysicsLaw", "PhysicalLaw", "Complex")
UNORDERED = ("cook_dishes", "texas_holdem")
MAX_TOKENS = 1024
_TARGETS = {"pick": "target_entity_name", "press": "target_entity_name"} | dict.fromkeys(("place", "insert", "pour", "push"), "target_container_name")
_SKILLS = ("pick", "place", "press", "open_door", "insert", "pull", "pour", "push", "lift")


def own_instruction() -> str:
    """What VLABench's instruction says, in our words: the skills, how each is called, which sequences there are, and the form of the answer."""
    calls = "\n".join(
        f'{{"name": "{name}", "params": {{{f"{chr(34)}{_TARGETS[name]}{chr(34)}: NUMBER" if name in _TARGETS else ""}}}}}' for name in _SKILLS
    )
    sequences = "\n".join(f"- {' then '.join(pattern)}" for pattern in PATTERNS)
    return (
        "A robot arm carries out sequences of skills. The skills and how each is called:\n"
        f"{calls}\n\n"
        "You see two pictures. Each shows the same four views of a table; in the second every object carries a number. You are also told a task. Directions in it are "
        "as the robot arm sees them. Write the sequence of skills that fulfils the task, with the numbers of the objects from the second picture.\n"
        f"A sequence is made of one or several of these:\n{sequences}\n"
        "Use `pick then lift` where something is to be shown and `pick then pull` where it is to be drawn out.\n"
        "Answer with a JSON list of skills between ```json and ```."
    )


class VlaBench(Questions):
    """Plans for manipulation, as sequences of skills on numbered objects."""

    name = "vlabench"
    title = "VLABench"
    size = 0  # as many as there are folders; they grew since
    get = "clone the data set VLABench/vlm_evaluation_v1.0 there (M&T/, Spatial/, …); for its own wording also put VLABench/configs/prompt/eval_vlm_en.txt of github.com/OpenMOSS/VLABench"
    faults = (
        Fault("half_the_total", "the total adds up two of its four weighted parts: a perfect answer has 80 of 100", "all four: 100"),
        Fault("fence", "an answer whose JSON is not fenced as ```json has 0", "JSON in any fence, or none"),
        Fault("numbers_as_text", '"3" is not 3', "it is"),
    )

    def questions(self, folder: Path, damage: Damage) -> Iterator[Question]:
        present = [name for name in DIMENSIONS if (folder / name).is_dir()]
        if not present:
            raise self.absent(folder, f"folder {', '.join(DIMENSIONS)}")
        instruction = instruction_of(folder)
        for dimension in present:
            for task in sorted(path for path in (folder / dimension).iterdir() if path.is_dir()):
                for example in sorted((path for path in task.iterdir() if path.is_dir()), key=_number):
                    where = f"{dimension}/{task.name}/{example.name}"
                    try:
                        text = _text(example / "input" / "instruction.txt", where)
                        prompt = "\n".join(
                            (
                                instruction,
                                "Input picture",
                                "Image: <image>",
                                "Input picture with numbered tags",
                                "Image: <image>",
                                "Language instruction:",
                                text,
                                "Please give the output skill sequence\n",
                            )
                        )
                        pictures, truth = partial(_shown, example / "input"), partial(_truth, example / "output", task.name, where)
                        yield Question(f"vlabench/{where}", dimension, prompt, pictures, truth, MAX_TOKENS)
                    except Damaged as error:
                        damage.skip(f"{where} ({error})", error.reason)

    def notes(self, folder: Path) -> list[str]:
        return [] if (folder / PROMPT).is_file() else [f"asked in this project's words, as {PROMPT} was not there"]

    def judge(self, truth: Any, answer: str, metric: Metric) -> Verdict:
        right, ordered = truth
        corrected = metric == "corrected"
        given = skills_of(any_json(answer) if corrected else fenced_json(answer), lenient=corrected)
        if given is None:
            return Verdict(0.0, fault=NO_PLAN, read=answer.strip()[:60])
        score = total(compare(skills_of(right, corrected) or [], given, ordered), all_four=corrected)
        return Verdict(score, read=", ".join(skill.name for skill in given)[:120])

    def score(self, judged: Sequence[Judged], metric: Metric) -> Score:
        return mean_of_groups(judged, [(name,) for name in DIMENSIONS])


def instruction_of(folder: Path) -> str:
    """VLABench's own instruction where its file is there, else ours."""
    path = folder / PROMPT
    return path.read_text(encoding="utf-8").strip("\n") if path.is_file() else own_instruction()


def _number(path: Path) -> tuple[int, str]:
    found = re.search(r"\d+$", path.name)
    return (int(found.group()) if found else -1, path.name)


def _text(path: Path, where: str) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Damaged("instruction.txt is missing", f"{where}: {error}") from error
    if not text:
        raise Damaged("instruction.txt is empty", where)
    return text


def _shown(folder: Path) -> tuple:
    return picture_file(folder / "input.png"), picture_file(folder / "input_mask.png")


def _truth(folder: Path, task: str, where: str) -> tuple[list, bool]:
    path = folder / "operation_sequence.json"
    if not path.is_file():
        raise Damaged("operation_sequence.json is missing", where)
    try:
        found = read_json(path)
    except InputError as error:
        raise Damaged("operation_sequence.json is no JSON", where) from error
    sequence = found.get("skill_sequence") if isinstance(found, dict) else found
    if not skills_of(sequence):
        raise Damaged("operation_sequence.json holds no skills", where)
    return sequence, task not in UNORDERED
