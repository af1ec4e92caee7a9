"""Ask, keep the answers, judge them: one benchmark, and all of them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.source import Damage
from vlaser_core.data.sources.base import spread
from vlaser_core.evaluate.benchmarks.asking import Asked, Respondent
from vlaser_core.evaluate.benchmarks.embodied.environment import WorkerLost
from vlaser_core.evaluate.benchmarks.embodied.episodes import MAX_TOKENS, Embodied, play
from vlaser_core.evaluate.benchmarks.question import REFUSED, Absent, Judged, Metric, Question, Questions, Verdict
from vlaser_core.evaluate.benchmarks.store import Answers, Lines, Stored, digest

_LOG = logging.getLogger(__name__)
ATTEMPTS = 3  # of an episode whose worker is lost


@dataclass
class Outcome:
    """What one benchmark came to. judged: by metric. questions: all there are, those left out by a limit included. damage: questions that could not
    be put, by reason; cut_off: answers that were longer than they may be; asked: in this run. lost: how often a worker was lost, by what it said.
    """

    benchmark: Questions | Embodied
    judged: dict[Metric, list[Judged]]
    questions: int
    damage: Damage
    asked: int = 0
    cut_off: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    shown: dict[str, Question] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)


def ask_questions(
    benchmark: Questions,
    folder: Path,
    answers: Answers,
    respondent: Callable[[], Respondent],
    batch: int,
    limit: int | None = None,
    most_tokens: int | None = None,
    metrics: Sequence[Metric] = ("upstream", "corrected"),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Outcome:
    """All questions of a benchmark, `batch` at once; those that `answers` holds are not put again, and no model is opened where it holds them all.

    limit: so many questions, evenly over the benchmark. most_tokens: of an answer, where the benchmark allows more. progress: (done, of how many). Raises Absent, and what the model raises when nothing
    more can be asked.
    """
    damage = Damage()
    every = [_capped(question, most_tokens) for question in benchmark.questions(folder, damage)]
    chosen = [every[place] for place in spread(len(every), limit)] if limit else every
    outcome = Outcome(benchmark, {metric: [] for metric in metrics}, len(every) + sum(damage.counts.values()), damage, notes=benchmark.notes(folder))
    waiting = (question for question in chosen if answers.get(question) is None)
    done = sum(answers.get(question) is not None for question in chosen)
    progress(done, len(chosen))
    while part := list(islice(waiting, max(1, batch))):
        ready = list(_ready(part, damage))
        if ready:
            texts = respondent().answer([asked for _, asked in ready])
            answers.add(Stored(q.id, digest(q), a.text, a.complete, a.refused) for (q, _), a in zip(ready, texts, strict=True))
            outcome.asked += len(ready)
        done += len(part)
        progress(done, len(chosen))
    for question in chosen:
        _judge(benchmark, question, answers.get(question), outcome, metrics)
    return outcome


def _capped(question: Question, most_tokens: int | None) -> Question:
    return question if not most_tokens else replace(question, max_tokens=min(question.max_tokens, most_tokens))


def _ready(questions: Sequence[Question], damage: Damage) -> Iterator[tuple[Question, Asked]]:
    """Those whose pictures and truth can be read: nothing is asked that could not be scored."""
    for question in questions:
        try:
            question.truth()
            yield question, Asked(question.prompt, question.pictures(), question.max_tokens, question.most_tiles)
        except Damaged as error:
            damage.skip(f"{question.id} ({error})", error.reason)


def _judge(benchmark: Questions, question: Question, stored: Stored | None, outcome: Outcome, metrics: Sequence[Metric]) -> None:
    if stored is None:
        return  # damaged, and counted
    try:
        truth = question.truth()
    except Damaged as error:  # its file was lost since it was asked
        outcome.damage.skip(f"{question.id} ({error})", error.reason)
        return
    for metric in metrics:
        verdict = Verdict(0.0, fault=REFUSED, read=stored.refused[:120]) if stored.refused else benchmark.judge(truth, stored.text, metric)
        outcome.judged[metric].append(Judged(question.id, question.group, verdict))
    outcome.cut_off += not stored.complete
    outcome.shown[question.id], outcome.answers[question.id] = question, stored.refused or stored.text


def play_episodes(
    benchmark: Embodied,
    folder: Path,
    lines: Callable[[str], Lines],
    respondent: Callable[[], Respondent],
    metric: Metric,
    limit: int | None = None,
    most_tokens: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Outcome:
    """All episodes of an interactive benchmark; those that were played are not played again.

    lines: the file of one set of episodes, by its name. metric: also decides which plans are carried out, so that each has episodes of its own. A worker that is lost is replaced and its episode
    begun anew, ATTEMPTS times; an episode that fails each time is damaged: counted, not scored. A set whose simulator does not start is named in the
    notes; raises Absent where that is each of them.
    """
    benchmark.check(folder)
    outcome = Outcome(benchmark, {metric: []}, 0, Damage())
    opened: list[Respondent] = []

    def ask(prompt: str, picture) -> str:
        if not opened:
            opened.append(respondent())
        answered = opened[0].answer([Asked(prompt, (picture,), min(MAX_TOKENS, most_tokens or MAX_TOKENS))])[0]
        outcome.asked += 1
        outcome.cut_off += not answered.complete
        return answered.text

    for place, eval_set in enumerate(benchmark.eval_sets):
        kept = lines(eval_set)
        words = benchmark.words(folder, eval_set)
        if words.own and not outcome.notes:
            outcome.notes.append("asked in this project's words, as EmbodiedBench's were not there")
        environment = None
        try:
            try:
                environment = benchmark.open(folder, eval_set)
            except WorkerLost as error:
                outcome.lost[str(error)[:120]] += 1
                outcome.notes.append(f"{eval_set} was not played, its simulator does not start: {error}")
                continue
            count = environment.episodes
            # A limit goes round the sets: as many of each as there are rounds, the first sets one more.
            mine = count if not limit else min(count, limit // len(benchmark.eval_sets) + (place < limit % len(benchmark.eval_sets)))
            outcome.questions += count
            for done, episode in enumerate(spread(count, mine) if mine else []):
                identity = f"{eval_set}/{episode:03d}"
                for attempt in range(1, ATTEMPTS + 1):
                    if identity in kept.entries:
                        break
                    try:
                        environment = environment or benchmark.open(folder, eval_set)
                        played = play(environment, words, episode, ask, metric)
                        kept.add([{"id": identity, **played.to_json(), "attempts": attempt}])
                    except WorkerLost as error:
                        outcome.lost[str(error)[:120]] += 1
                        _LOG.warning("%s %s: %s", benchmark.title, identity, error)
                        if environment is not None:
                            environment.close()
                        environment = None
                found = kept.entries.get(identity)
                if found is None:
                    outcome.damage.skip(identity, f"the simulator's worker was lost {ATTEMPTS} times")
                else:
                    verdict = benchmark.judge(found, metric)
                    outcome.judged[metric].append(Judged(f"{benchmark.name}/{identity}", eval_set, verdict))
                    outcome.answers[f"{benchmark.name}/{identity}"] = "\n".join(f"{action}: {said}" for action, said in found["trace"])
                progress(done + 1, mine)
        finally:
            if environment is not None:
                environment.close()
    if not outcome.questions:
        raise Absent(f"{benchmark.title}: its simulator does not start: {', '.join(outcome.lost) or 'it has no episodes'}")
    return outcome
