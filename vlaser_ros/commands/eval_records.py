"""`vlaser eval records`: how many questions of a set's held-out part a checkpoint answers rightly. No ROS."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro
from tyro.conf import Positional

from vlaser_ros.commands.loading import Loading

if TYPE_CHECKING:
    from rich.table import Table

    from vlaser_core.evaluate.reasoning_score import ReasoningScore, Tally


@dataclass(frozen=True)
class EvalRecords(Loading):
    """How well a checkpoint answers the questions of a set of training records that were held out: by category and by family."""

    set: Positional[Path] = tyro.MISSING  # folder of the set, as `vlaser data build` writes it
    limit: int | None = None  # records asked, drawn at random; all by default
    seed: int = 0  # of the draw
    splits: tuple[Literal["train", "validation", "test"], ...] = ("validation", "test")  # which records may be drawn
    batch: int = 32  # questions answered together
    out: Path | None = None  # folder for summary.json and report.html, with answers that were wrong first
    json: bool = False  # only the result, as one JSON line

    def run(self) -> int:
        return evaluate_records(self)


def evaluate_records(options: EvalRecords) -> int:
    """With `json` only the JSON line is on stdout; progress is on stderr either way."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    from vlaser_core.evaluate.reasoning_score import Heard, held_out, score

    # A wrong folder is told before the model is loaded.
    records = held_out(options.set, options.splits)
    engine, heard = options.load(), list[Heard]()
    columns = ("[progress.description]{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        line = progress.add_task("questions", total=min(options.limit or len(records), len(records)))
        result = score(
            engine.model, engine.tokenizer, records, options.limit, options.seed, options.batch, lambda count: progress.advance(line, count), heard.append
        )
    if not options.json:
        Console().print(_table(result))
        for reason, count in result.left_out.items():
            Console().print(f"{count} records left out: {reason}, for example {result.examples[reason]}")
    settings = {"set": str(options.set), "checkpoint": str(options.checkpoint or "shipped"), "splits": list(options.splits), "seed": options.seed}
    settings["limit"] = options.limit
    if options.out is not None:
        from vlaser_core.evaluate.report.model import command_line, write_report
        from vlaser_core.evaluate.report.records import items_of, records_report

        report = records_report(result, heard, records, settings, command_line())
        write_report(options.out, report, {"kind": "records", **settings, **result.to_json(), "items": items_of(heard)})
        Console(stderr=True).print(f"report: {options.out / 'report.html'}")
    print(json.dumps(settings | result.to_json(), ensure_ascii=False, allow_nan=False))
    return 0


def _table(result: ReasoningScore) -> Table:
    from rich.table import Table

    table = Table("questions about", "asked", "score", "95 % interval", "overlap of boxes", "without looking")

    def row(name: str, tally: Tally, section: bool = False) -> None:
        low, high = tally.interval_95
        overlap = "" if tally.overlap is None else f"{tally.overlap:.2f}"
        table.add_row(name, str(tally.questions), f"{tally.score:.1%}", f"{low:.0%} to {high:.0%}", overlap, f"{tally.commonest:.0%}", end_section=section)

    for place, (name, tally) in enumerate(result.families.items(), start=1):
        row(name, tally, place == len(result.families))
    for place, (name, tally) in enumerate(result.categories.items(), start=1):
        row(f"[bold]{name}", tally, place == len(result.categories))
    row("[bold]all", result.overall)
    return table
