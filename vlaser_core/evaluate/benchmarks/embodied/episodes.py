"""The two benchmarks: sets of episodes, the rules of one, and what they come to.

As EmbodiedBench's evaluator (embodiedbench/evaluator/eb_alfred_evaluator.py): at most 30 steps and 10 invalid ones, plans that cannot be read among those;
a plan is carried out until an action fails; an empty plan ends the episode. The score is the share of episodes whose task succeeded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from vlaser_core.data.source import Picture
from vlaser_core.evaluate.benchmarks.embodied.environment import WORKER, Environment, EnvironmentProcess
from vlaser_core.evaluate.benchmarks.embodied.planner import EMPTY, Words, plan_of, prompt_of, words_of
from vlaser_core.evaluate.benchmarks.question import Absent, Fault, Judged, Metric, Score, Verdict, weighted

MOST_STEPS = 30
MOST_INVALID = 10
MAX_TOKENS = 2048
# (the prompt, the picture) → text
Ask = Callable[[str, Picture], str]


@dataclass(frozen=True)
class Played:
    """An episode's end. progress: 0…1, the last that was seen; upstream reports 0 where a plan ended the episode. trace: action and feedback
    of each step, and what was wrong with a plan. attempts: how often it was begun, as workers are lost."""

    success: float
    progress: float
    progress_upstream: float
    steps: int
    plans: int
    invalid: int
    unread: int
    empty: bool
    instruction: str
    trace: tuple[tuple[str, str], ...]
    attempts: int = 1

    def to_json(self) -> dict:
        return asdict(self)


def play(environment: Environment, words: Words, episode: int, ask: Ask, metric: Metric) -> Played:
    """One episode. Raises WorkerLost."""
    scene = environment.reset(episode)
    history: list[tuple[int, str]] = []
    trace: list[tuple[str, str]] = []
    picture, success, progress, invalid, plans, unread = scene.picture, 0.0, 0.0, 0, 0, 0
    ended_by_plan = done = False
    fault, before = "", ("", "")
    while not done:
        prompt = prompt_of(words, scene.instruction, scene.actions, history)
        # Nothing has changed since a plan that could not be read: the likeliest answer is the same one.
        text = before[1] if prompt == before[0] else ask(prompt, picture)
        before, plans = (prompt, text), plans + 1
        plan, fault = plan_of(text, len(scene.actions), metric)
        if fault:
            trace.append(("plan", fault))
        if fault == EMPTY:
            ended_by_plan = True
            break
        if fault:
            invalid += 1
            unread += fault != EMPTY
            if invalid >= MOST_INVALID:
                ended_by_plan = True
                break
            continue
        for action in plan[: MOST_STEPS - len(history)]:
            outcome = environment.step(action)
            picture, success, progress = outcome.picture, outcome.success, outcome.progress
            history.append((action, outcome.feedback))
            trace.append((scene.actions[action], outcome.feedback))
            invalid += not outcome.valid
            done = outcome.done or success > 0 or invalid >= MOST_INVALID or len(history) >= MOST_STEPS
            if done or not outcome.valid:
                break
    return Played(
        success,
        progress,
        0.0 if ended_by_plan else progress,
        len(history),
        plans,
        invalid,
        unread,
        ended_by_plan and fault == EMPTY,
        scene.instruction,
        tuple(trace),
    )


@dataclass
class Embodied:
    """environment: alfred or habitat. python: of the environment that has EmbodiedBench; stand_in: the worker's household instead of a simulator."""

    environment: str
    eval_sets: tuple[str, ...]
    title: str
    python: Path | None = None
    stand_in: bool = False
    resolution: int = 500
    timeout: float = 300.0
    size: int = 300
    faults: tuple[Fault, ...] = field(
        default=(
            Fault("bare_json", "a plan in a fence, or with a word beside it, is no plan", "its JSON is read"),
            Fault("lost_progress", "the progress of an episode that a plan ended is reported as 0", "the last that was reached (the success is the same)"),
        ),
        repr=False,
    )

    @property
    def name(self) -> str:
        return f"embodied_{self.environment}"

    folder = "embodiedbench"
    get = (
        "clone github.com/EmbodiedBench/EmbodiedBench there, install it as its README says (AI2-THOR or Habitat, in an environment of its own), and give that environment's "
        "Python as --embodied-python; this project was never run with the simulators themselves"
    )

    def check(self, folder: Path) -> None:
        """Raises Absent where the checkout or its Python is missing."""
        if self.stand_in:
            return
        if not (folder / "embodiedbench" / "envs" / f"eb_{self.environment}").is_dir():
            raise Absent(f"{self.title}: no checkout of EmbodiedBench in {folder}; {self.get}")
        if self.python is None:
            raise Absent(f"{self.title}: --embodied-python is not given; {self.get}")

    def words(self, folder: Path, eval_set: str) -> Words:
        return words_of(None if self.stand_in else folder, self.environment, eval_set)

    def open(self, folder: Path, eval_set: str) -> Environment:
        """The worker. Raises WorkerLost where the simulator does not start."""
        how = ["--stand-in"] if self.stand_in else ["--checkout", str(folder.resolve())]
        command = [str(self.python or sys.executable), str(WORKER), *how]
        return EnvironmentProcess(command, self.environment, eval_set, self.resolution, self.timeout)

    def judge(self, played: dict, metric: Metric) -> Verdict:
        """An episode as it was stored."""
        progress = played["progress"] if metric == "corrected" else played["progress_upstream"]
        fault = "an episode without a plan" if played["success"] == 0 and played["steps"] == 0 else ""
        return Verdict(float(played["success"]), fault=fault, read=f"{played['steps']} steps, {played['invalid']} invalid, progress {progress:.0%}")

    def score(self, judged: Sequence[Judged], metric: Metric) -> Score:
        return weighted(judged)


ALFRED_SETS = ("base", "common_sense", "complex_instruction", "spatial", "visual_appearance", "long_horizon")
HABITAT_SETS = ("base", "common_sense", "complex_instruction", "spatial_relationship", "visual_appearance", "long_horizon")


def embodied(python: Path | None = None, stand_in: bool = False) -> tuple[Embodied, Embodied]:
    """EB-ALFRED and EB-Habitat, each of six sets of fifty episodes."""
    return (
        Embodied("alfred", ALFRED_SETS, "EB-ALFRED", python, stand_in),
        Embodied("habitat", HABITAT_SETS, "EB-Habitat", python, stand_in),
    )
