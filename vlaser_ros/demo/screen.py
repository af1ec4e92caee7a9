"""The demo in the terminal: one table that fills while the episodes run."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from rich.table import Column, Table

from vlaser_ros.demo.settings import Episode


def _milliseconds(values: Sequence[float]) -> str:
    return f"{median(values) * 1000:.0f} / {max(values) * 1000:.0f}" if values else ""


def table(episodes: Sequence[Episode]) -> Table:
    """One row a task; times are median / worst in milliseconds."""
    result = Table(Column("task", no_wrap=True), "success", "chunks", "inference", "view age", "", title="times in ms, median / worst; view age: of the observation")
    for episode in episodes:
        outcome = {None: "", True: "[green]yes[/]", False: "[red]no[/]"}[episode.success]
        chunks = f"{episode.chunks}/{episode.max_chunks}" if episode.chunks else ""
        result.add_row(episode.task, outcome, chunks, _milliseconds(episode.inference_s), _milliseconds(episode.age_s), episode.error or episode.state)
    return result
