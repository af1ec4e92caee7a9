"""`vlaser eval simpler`: a suite of SimplerEnv played by one policy, a JSON line last. No ROS."""

from __future__ import annotations

import hashlib
import json
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from vlaser_ros.demo.film import Film

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sim_bridge.simpler.installation import Installation
    from sim_bridge.simpler.link import SimulatorLink
    from sim_bridge.simpler.rollout import Policy
    from sim_bridge.simpler.suites import Episode
    from vlaser_ros.commands.simpler import EvalSimpler


class Video(Film):
    """A film that is closed where it was opened elsewhere."""

    def close(self) -> None:
        self.__exit__()


def evaluate_simpler(options: EvalSimpler) -> int:
    """Play, and print the table and the summary; 1 when episodes could not be finished."""
    from sim_bridge.simpler import assets
    from sim_bridge.simpler.evaluate import Evaluation, Plan, choose
    from sim_bridge.simpler.installation import find_installation
    from sim_bridge.simpler.link import SimulatorLink
    from sim_bridge.simpler.results import Results
    from sim_bridge.simpler.robots import Adapter
    from sim_bridge.simpler.suites import suite

    installation = find_installation(options.checkout)
    episodes = choose(suite(options.suite), options.episodes, options.tasks)
    make, policy = _policy(options, episodes[0].robot.contract)
    Adapter(episodes[0].robot, make().embodiment)  # another robot's checkpoint is told before anything is started
    files = assets.check(installation, episodes)
    link = SimulatorLink(installation)
    try:
        manifest = _manifest(options, installation, link, policy, episodes, files)
        plan = Plan(options.suite, episodes, options.workers, options.executed_steps, options.seed, Video if options.videos else None)
        results = Results(options.out, manifest)
        evaluation = Evaluation(plan, installation, results, make, link)
    except BaseException:
        link.close()
        raise
    columns = "[progress.description]{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        line = bar.add_task("episodes", total=len(episodes))
        won = 0

        def progress(row: dict) -> None:
            nonlocal won
            won += row["success"]
            bar.update(line, advance=1, description=f"episodes, {won} succeeded")

        summary = evaluation.run(progress)
    wanted = {episode.name for episode in episodes}
    _write_page(options.out, summary, manifest, [row for row in results.rows() if row["name"] in wanted])
    summary = {"out": str(options.out), "policy": policy, "renderer": manifest["simulator"]["renderer"], **summary}
    if not options.json:
        Console().print(_table(summary), *[f"not finished: {name}: {why}" for name, why in summary["unfinished"].items()], sep="\n")
    print(json.dumps({key: value for key, value in summary.items() if key != "variants"}))
    return 1 if summary["unfinished"] else 0


def _policy(options: EvalSimpler, contract: str) -> tuple[Callable[[], Policy], dict]:
    """How a thread gets its policy, and what the manifest says of it."""
    from sim_bridge.simpler.oracle import Oracle
    from sim_bridge.simpler.policies import CheckpointPolicy, ZeroPolicy
    from vlaser_core.embodiment import load_embodiment

    if options.policy != "checkpoint":
        kind = Oracle if options.policy == "oracle" else ZeroPolicy
        embodiment = load_embodiment(contract)
        return (lambda: kind(embodiment)), {"kind": options.policy}
    from vlaser_core.checkpoint.folder import shipped_checkpoint

    engine = options.load()
    path = Path(options.checkpoint or shipped_checkpoint())
    told = {"kind": "checkpoint", "checkpoint": str(path), "sha256": digest(path), "device": options.device, "dtype": options.dtype, "flow_steps": options.flow_steps}
    return (lambda: CheckpointPolicy(engine, options.flow_steps)), told


def _manifest(options: EvalSimpler, installation: Installation, link: SimulatorLink, policy: dict, episodes: Sequence[Episode], files: dict) -> dict:
    """What the numbers stand for: with the same manifest, the same actions and successes."""
    from sim_bridge.simpler.installation import commit_of
    from sim_bridge.simpler.worker.wire import VERSION
    from vlaser_core.embodiment import load_embodiment

    embodiment = load_embodiment(episodes[0].robot.contract)
    tasks = list(dict.fromkeys(episode.task for episode in episodes))
    return {
        "suite": options.suite,
        "tasks": {task: sum(episode.task == task for episode in episodes) for task in tasks},
        "policy": policy,
        "executed_steps": options.executed_steps or embodiment.action.horizon,
        "seeds": {"policy": options.seed, "simulator": sorted({episode.seed for episode in episodes})},
        "simulator": {
            **link.versions,
            "renderer": link.renderer,
            "commit": commit_of(installation.checkout),
            "commit_of_assets": commit_of(installation.checkout / "ManiSkill2_real2sim"),
        },
        "vlaser": {"version": version("vlaser-ros"), "protocol": VERSION},
        "assets": files,
        "films": options.videos,
        "workers": options.workers,
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def digest(path: Path) -> str:
    """SHA-256 over a file, or over the names and contents of a folder's files."""
    whole = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            whole.update(f"{file.relative_to(path)}\0{file.stat().st_size}\0".encode())
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    whole.update(block)
    return whole.hexdigest()


def _write_page(out: Path, summary: dict, manifest: dict, rows: Sequence[dict]) -> None:
    """report.html: the numbers beside the published ones, and films of what failed first where films were made."""
    from vlaser_core.evaluate.report.model import command_line, write_page
    from vlaser_core.evaluate.report.simulation import Rollout, simulation_report

    def film(row: dict) -> Path:
        return out / "videos" / f"{row['name'].replace('/', '__')}__{'success' if row['success'] else 'failure'}.mp4"

    rollouts = [Rollout(row["task"], row["name"], bool(row["success"]), bool(row["success_any"]), film(row)) for row in rows]
    settings = {key: value for key, value in manifest.items() if key not in ("tasks", "assets")}
    settings["model"] = manifest["policy"].get("checkpoint") or manifest["policy"]["kind"]
    write_page(out, simulation_report(f"SimplerEnv, {summary['suite']}", summary, rollouts, settings, command_line()))


def _table(summary: dict) -> Table:
    title = f"{summary['suite']}: {summary['episodes']} of {summary['of']} episodes, {summary['policy']['kind']}, drawn by {summary['renderer']}"
    table = Table("", "episodes", "success", "95 % interval", "at any step", title=title)
    for task, shares in summary["tasks"].items():
        _row(table, task, shares)
        if len(summary["variants"][task]) > 1:
            for variant, part in summary["variants"][task].items():
                _row(table, f"  {variant}", part)
    if "mean_success" in summary:
        low, high = summary["mean_interval_95"]
        table.add_row("mean of the tasks", "", f"{summary['mean_success']:.1%}", f"{low:.0%} to {high:.0%}", f"{summary['mean_success_any']:.1%}")
    table.add_section()
    for row in summary["published"]:
        table.add_row(row["name"], "", f"{row['success']:.1%}", "", f"published ({row['source']})")
    return table


def _row(table: Table, name: str, shares: dict) -> None:
    if not shares["episodes"]:
        table.add_row(name, "0", "not played", "", "")
        return
    low, high = shares["interval_95"]
    table.add_row(name, str(shares["episodes"]), f"{shares['success']:.0%}", f"{low:.0%} to {high:.0%}", f"{shares['success_any']:.0%}")
