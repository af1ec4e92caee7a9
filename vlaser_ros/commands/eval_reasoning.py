"""`vlaser eval reasoning`: the twelve embodied-reasoning benchmarks, and what is asked where one is not there. No ROS."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vlaser_ros.commands.loading import Loading

if TYPE_CHECKING:
    from vlaser_core.evaluate.benchmarks.asking import Respondent


@dataclass(frozen=True)
class EvalReasoning(Loading):
    """Ask a model the embodied-reasoning benchmarks of the Vlaser paper; what is not there is named with where to get it."""

    root: Path | None = None  # folder that holds a folder for each benchmark
    benchmarks: tuple[str, ...] = ()  # names, also with commas between; all twelve by default
    metric: Literal["upstream", "corrected"] = "upstream"  # as each benchmark's own code scores, or without the faults named in the report
    prompts: Literal["vlaser", "benchmark"] = "vlaser"  # places asked for as Vlaser was trained to give them, or as each benchmark asks any model
    writer: str | None = None  # instead of a checkpoint: a model behind an endpoint, by its file as for `vlaser data`
    limit: int | None = None  # questions of each benchmark, evenly over it
    frames: int | None = None  # of a video, where its benchmark leaves the number open: 32, with fixtures 4
    max_tokens: int | None = None  # of an answer, where a benchmark allows more; with fixtures 48
    batch: int = 4  # questions answered together
    embodied_python: Path | None = None  # Python of the environment that has EmbodiedBench, for its two simulators
    fixtures: bool = False  # small synthetic benchmarks in the published layouts instead of `root`: tries the command, says nothing about a model
    out: Path | None = None  # folder of answers, summary.json and report.html; the same command again goes on where it was
    json: bool = False  # only the result, as one JSON line

    def run(self) -> int:
        return evaluate_reasoning(self)


def evaluate_reasoning(options: EvalReasoning) -> int:
    """With `json` only the JSON line is on stdout; progress is on stderr either way."""
    from vlaser_core.errors import InputError

    if (options.root is None) != options.fixtures:
        raise InputError("give --root, the folder that holds the benchmarks' folders, or --fixtures to try the command without them")
    numbers = {name: getattr(options, name) for name in ("batch", "frames", "limit", "max_tokens")}
    if wrong := {name: value for name, value in numbers.items() if value is not None and value < 1}:
        raise InputError(f"batch, frames, limit and max-tokens are at least 1, got {wrong}")
    if options.root is not None and not options.root.is_dir():
        raise InputError(f"no folder {options.root}: it should hold a folder for each benchmark, such as {options.root / 'erqa'}")
    if options.out is not None:
        return _evaluate(options, options.out)
    with tempfile.TemporaryDirectory(prefix="vlaser-reasoning-") as folder:
        return _evaluate(options, Path(folder))


def _evaluate(options: EvalReasoning, out: Path) -> int:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

    from vlaser_core.evaluate.benchmarks.catalogue import benchmarks
    from vlaser_core.evaluate.benchmarks.fixtures import make_fixtures
    from vlaser_core.evaluate.benchmarks.question import Absent, Settings
    from vlaser_core.evaluate.benchmarks.run import ask_questions, play_episodes
    from vlaser_core.evaluate.benchmarks.store import Answers, Lines
    from vlaser_core.evaluate.benchmarks.summary import summarise
    from vlaser_core.evaluate.report.model import command_line, write_report
    from vlaser_core.evaluate.report.reasoning import reasoning_report

    names = tuple(name for given in options.benchmarks for name in given.split(",") if name)
    frames, most_tokens = options.frames or (4 if options.fixtures else 32), options.max_tokens or (48 if options.fixtures else None)
    chosen = benchmarks(names, Settings(options.prompts, frames), options.embodied_python, stand_in=options.fixtures)
    model, opener = _model(options, out)
    if options.fixtures:
        make_fixtures(out / "fixtures", tuple(each.name for each in chosen))
    root = options.root or out / "fixtures"
    about = {"model": model, "prompts": options.prompts, "frames": frames, "max_tokens": most_tokens}
    outcomes, absent = [], {}
    columns = ("[progress.description]{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for benchmark in chosen:
            line = progress.add_task(benchmark.title, total=None)

            def told(done: int, total: int, line: Any = line) -> None:
                progress.update(line, completed=done, total=total)

            folder = root / getattr(benchmark, "folder", benchmark.name)
            path = out / "answers" / f"{benchmark.name}.jsonl"
            try:
                if hasattr(benchmark, "eval_sets"):

                    def lines(eval_set: str, path: Path = path) -> Lines:
                        file = path.with_name(f"{path.stem}.{eval_set}.{options.metric}.jsonl")
                        return Lines(file, {**about, "eval_set": eval_set, "metric": options.metric})

                    # The stand-in has few episodes; one of each set shows that it works.
                    limit = options.limit or (len(benchmark.eval_sets) if options.fixtures else None)
                    outcomes.append(play_episodes(benchmark, folder, lines, opener, options.metric, limit, most_tokens, told))
                else:
                    outcomes.append(ask_questions(benchmark, folder, Answers(path, about), opener, options.batch, options.limit, most_tokens, progress=told))
            except Absent as error:
                absent[benchmark.name] = str(error)
                progress.remove_task(line)
    summary = summarise(outcomes, absent, options.metric, options.fixtures, options.limit)
    settings = {**about, "metric": options.metric, "root": "fixtures" if options.fixtures else str(options.root), "limit": options.limit, "batch": options.batch}
    if options.out is not None:
        write_report(out, reasoning_report(summary, outcomes, settings, command_line()), summary)
    printed = {key: value for key, value in summary.items() if key != "items"} | {"settings": settings}
    if not options.json:
        _print(Console(), summary)
        if options.out is not None:
            Console(stderr=True).print(f"report: {options.out / 'report.html'}")
    print(json.dumps(printed, ensure_ascii=False, allow_nan=False))
    return 0 if outcomes else 1


def _model(options: EvalReasoning, out: Path) -> tuple[str, Callable[[], Respondent]]:
    """The model's name, and how it is opened when the first question is put."""
    from vlaser_core.evaluate.benchmarks.asking import Checkpoint, Elsewhere

    opened: list[Respondent] = []
    if options.writer is not None:
        from vlaser_core.data.labels.spec import load_writer

        spec = load_writer(options.writer)

        def open_writer() -> Respondent:
            if not opened:
                opened.append(Elsewhere(spec.open(out / "cache"), spec.concurrency))
            return opened[0]

        return spec.model, open_writer
    from vlaser_core.checkpoint.folder import shipped_checkpoint
    from vlaser_ros.commands.inspection import describe

    checkpoint = options.checkpoint or shipped_checkpoint()
    # A bad checkpoint is told before anything else is done.
    describe(checkpoint)
    name = checkpoint.name or str(checkpoint)

    def open_checkpoint() -> Respondent:
        if not opened:
            opened.append(Checkpoint(options.load(), name))
        return opened[0]

    return name, open_checkpoint


def _print(console: Any, summary: dict[str, Any]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from vlaser_core.evaluate.benchmarks.published import NAMES, TITLES, published
    from vlaser_core.evaluate.benchmarks.summary import average_words

    rows, found = published(), summary["benchmarks"]
    shown = ("Vlaser-2B", "Vlaser-8B")
    table = Table("benchmark", "score", "95 %", "scored", "unread", "damaged", *(f"[dim]{name}*[/dim]" for name in shown))
    table.caption = f"percent, metric {summary['metric']}; * published, not measured here"
    for name in NAMES:
        marks = [f"[dim]{rows[model][name]:.1f}[/dim]" for model in shown]
        if name in summary["absent"]:
            table.add_row(TITLES[name], "[dim]not there[/dim]", "", "", "", "", *marks)
        elif name in found:
            each = found[name]
            value = "—" if each["score"] is None else f"{100 * each['score']:.1f}"
            interval = "" if each["interval_95"] is None else f"{100 * each['interval_95'][0]:.0f}–{100 * each['interval_95'][1]:.0f}"
            counts = f"{each['scored']}/{each['questions']}", str(sum(each["unread"].values())), str(sum(each["damaged"].values()))
            table.add_row(each["title"], value, interval, *counts, *marks)
    console.print(table)
    console.print(average_words(summary["average"], summary["fixtures"]))
    console.print("[dim]published averages: " + ", ".join(f"{model} {values['average']}" for model, values in rows.items()) + "[/dim]")
    for why in summary["absent"].values():
        console.print(f"[yellow]{escape(why)}[/yellow]")
    for name, each in found.items():
        for kind in ("damaged", "unread"):
            for reason, count in each[kind].items():
                console.print(f"{TITLES[name]}: {count} {kind}: {escape(reason)}")
        for note in (*each["notes"], *each["incomplete"]):
            console.print(f"[dim]{TITLES[name]}: {escape(note)}[/dim]")
