"""`vlaser data label | judge`, and what `vlaser data build` has done to the records of a plan."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from vlaser_core.data.engine import BuildReport, Part
from vlaser_core.data.labels.budget import read_spent
from vlaser_core.data.labels.families import load_families
from vlaser_core.data.labels.judge import SCORES, UNREADABLE, Judge
from vlaser_core.data.labels.pictures import WrittenPictures
from vlaser_core.data.labels.spec import WriterSpec, load_writer
from vlaser_core.data.labels.write import WriteLabels
from vlaser_core.data.mix import MixPlan
from vlaser_core.data.shards.index import INDEX_NAME
from vlaser_core.data.stage import Census, Stage
from vlaser_core.errors import InputError
from vlaser_ros.commands.data_build import print_report
from vlaser_ros.commands.data_clean import build_with_bar, parts_of_set
from vlaser_ros.commands.data_rework import JudgeSet, Label


def label(options: Label) -> int:
    """Have labels written, tell what came of it and what it cost, and end with the report as a JSON line."""
    console, prompts, cache = Console(stderr=True), load_families(), options.cache.resolve()
    spec = load_writer(options.writer)
    of_set = (options.what / INDEX_NAME).exists()
    write = WriteLabels(spec, prompts, {"*": options.families}, cache, own=options.own and of_set, ends=_ends(spec))
    stages: list[Stage] = [write] if of_set else []
    if options.judge is not None:
        judge = load_writer(options.judge)
        stages.append(Judge(judge, prompts, cache, _from(options.min_score), ends=_ends(judge)))
    if of_set:
        parts = parts_of_set(options.what, options.out)
    else:
        source = WrittenPictures(options.what.resolve(), write, options.licence, options.domain)
        parts = [Part(source, settings={**source.settings, **write.settings}, shuffled=False)]
    report = build_with_bar(parts, options.out, options.seed, stages, [], options.workers, console)
    _tell(report, options.out, cache, console)
    return 0


def judge_set(options: JudgeSet) -> int:
    """Score a set; with `split`, into a set for each score. Asked once: the further passes find the answers in the cache."""
    console, prompts, cache = Console(stderr=True), load_families(), options.cache.resolve()
    spec = load_writer(options.judge)
    if not options.split:
        judge = Judge(spec, prompts, cache, _from(options.min_score), options.written, _ends(spec))
        report = build_with_bar(parts_of_set(options.folder, options.out), options.out, 0, [judge], [], options.workers, console)
        _tell(report, options.out, cache, console)
        return 0
    counts, ends = {}, _ends(spec)
    for score in (*reversed(SCORES), UNREADABLE):
        name = f"score{score}" if score != UNREADABLE else "unreadable"
        judge = Judge(spec, prompts, cache, (score,), options.written, ends)
        parts = parts_of_set(options.folder, options.out / name)
        counts[name] = build_with_bar(parts, options.out / name, 0, [judge], [], options.workers, console).records
    print(json.dumps({"folder": str(options.out), **counts, "spent": asdict(read_spent(cache))}))
    return 0


def plan_stages(
    plan: MixPlan, folder: Path, writer: str | None, judge: str | None, cache: Path, console: Console
) -> tuple[list[Stage], list[Census]]:
    """What happens to a plan's records, in order: benchmarks' pictures leave before anything is paid for them."""
    stages: list[Stage] = []
    families = {share.source: share.write for share in plan.shares if share.write}
    cleaning = [] if plan.clean is None else plan.clean.stages(folder)
    prompts = load_families()
    for share in plan.shares:
        prompts.chosen(share.write)
    if families and writer is None:
        console.print(
            f"[yellow]nothing is written for {', '.join(families)}: the plan names families for them, and --writer names no model[/]"
        )
    if families and writer is not None:
        spec = load_writer(writer)
        stages += [stage for stage in cleaning if stage.name == "decontaminate"]
        stages.append(WriteLabels(spec, prompts, families, cache.resolve(), ends=_ends(spec)))
        if plan.judge is not None:
            judging = load_writer(judge or writer)
            stages.append(Judge(judging, prompts, cache.resolve(), _from(plan.judge), ends=_ends(judging)))
        cleaning = [stage for stage in cleaning if stage.name != "decontaminate"]
    elif judge is not None:
        raise InputError("--judge scores what is written: the plan has nothing written, or --writer is missing")
    return [*stages, *cleaning], [] if plan.clean is None else plan.clean.censuses()


def _from(score: int) -> tuple[int, ...]:
    """Scores from this one on; a reply without a score is not kept."""
    if score not in SCORES:
        raise InputError(f"scores go from {SCORES[0]} to {SCORES[-1]}, got {score}")
    return tuple(each for each in SCORES if each >= score)


def _ends(spec: WriterSpec) -> float | None:
    return None if spec.budget.hours is None else time.time() + 3600 * spec.budget.hours


def _tell(report: BuildReport, out: Path, cache: Path, console: Console) -> None:
    print_report(report, console)
    spent = read_spent(cache)
    console.print(f"spent so far, by {cache}: {spent.requests} requests, {spent.tokens} tokens, {spent.money:.2f} of money")
    print(json.dumps({"folder": str(out), **asdict(report), "spent": asdict(spent)}))
