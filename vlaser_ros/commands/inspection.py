"""`vlaser inspect`: what a checkpoint holds, in any layout, from its text files and the weights' headers. No ROS."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table


def describe(path: Path) -> dict:
    """Parts, sizes, robot, and what is missing or left over. Weights are listed, not loaded.

    Raises CheckpointError naming a file that is missing or damaged, or a robot that does not fit its model.
    """
    from vlaser_core.checkpoint.detect import open_source
    from vlaser_core.checkpoint.inventory import inventory, robot_facts

    source = open_source(path)
    facts = {**inventory(source), "checkpoint": str(path)}
    files = [file for file in sorted(path.rglob("*")) if file.is_file()] if path.is_dir() else [path]
    facts["bytes"] = sum(file.stat().st_size for file in files)
    facts["files"] = [str(file.relative_to(path)) if path.is_dir() else file.name for file in files]
    return facts | (robot_facts(path, source.config) if source.layout == "vlaser" else {})


def inspect(path: Path, as_json: bool, tensors: bool) -> int:
    """A table, or JSON; 1 when the weights do not fill the model exactly."""
    facts = describe(path)
    if as_json:
        print(json.dumps(facts, indent=1))
    else:
        console = Console()
        console.print(_parts(facts))
        for line in _remarks(facts):
            console.print(line, highlight=False, markup=False)
        if tensors:
            console.print(_tensors(path))
    return 1 if facts["fault"] else 0


def _parts(facts: dict) -> Table:
    table = Table("part", "sizes", "tensors", "parameters", "dtype", "MB", title=f"{facts['checkpoint']}: {facts['layout']} layout")
    for name, part in facts["parts"].items():
        table.add_row(
            name, part["size"], str(part["tensors"]), f"{part['parameters']:,}", ", ".join(part["dtypes"]), f"{part['bytes'] / 1e6:,.1f}"
        )
    stored = sum(part["bytes"] for part in facts["parts"].values())
    table.add_row(
        "total",
        "",
        str(sum(part["tensors"] for part in facts["parts"].values())),
        f"{facts['parameters']['total']:,}",
        "",
        f"{stored / 1e6:,.1f}",
    )
    return table


def _remarks(facts: dict) -> list[str]:
    lines = [
        f"{key.replace('_', ' ')}: {len(facts[key])}" + (f" {facts[key][:5]}" if facts[key] else "") for key in ("missing", "left_over")
    ]
    if facts["copies"]:
        lines.append(f"second copies of weights, compared when loading: {facts['copies']}")
    if facts["unread"]:
        lines.append(f"stored and read by nothing, here as in the original: {', '.join(facts['unread'])}")
    if "assumed" in facts:
        lines.append("not stated by the file, assumed: " + ", ".join(f"{key} {value}" for key, value in facts["assumed"].items()))
    if "embodiment" in facts:
        robot = facts["embodiment"]
        lines.append(
            f"robot: {robot['name']}, {robot['action']['horizon']} × {len(robot['action']['names'])} actions "
            f"at {robot['action']['rate_hz']} Hz"
        )
    elif facts["model"]["expert"] is None:
        lines.append("reasons only: no action expert")
    return [*lines, f"fault: {facts['fault']}"] if facts["fault"] else lines


def _tensors(path: Path) -> Table:
    from vlaser_core.checkpoint.detect import open_source

    source = open_source(path)
    table, copies = Table("stored name", "shape", "dtype", "here"), {copy: f"copy of {original}" for copy, original in source.twins}
    for name, entry in source.tensors.items():
        here = ", ".join(source.places.get(name, ())) or copies.get(name) or ("read by nothing" if name in source.unread else "")
        table.add_row(name, " × ".join(map(str, entry.shape)), str(entry.dtype).removeprefix("torch."), here)
    return table
