"""`vlaser train … --dry-run`: what a recipe would train and what it would take; sizes alone are read, no weights. No ROS."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from vlaser_core.train.flow_recipe import FlowRecipe
    from vlaser_core.train.reckoning import FlowReckoning, SftReckoning
    from vlaser_core.train.sft_recipe import SftRecipe


def reckon_sft(recipe: SftRecipe, processes: int, as_json: bool) -> int:
    from vlaser_core.train.reckoning import reckon_sft

    found = reckon_sft(recipe, processes)
    tokens = "counted on the data" if found.samples else "at most; the data, or the checkpoint's tokenizer, is not there"
    rows = [
        ("an update", f"{found.packs} packs of at most {found.pack_tokens:,} tokens, {found.packs_a_forward} a forward pass and process"),
        ("tokens an update", f"{found.tokens_an_update:,} ({tokens})"),
    ]
    if found.samples:
        rows += [
            ("samples", f"{found.samples:,}, {sum(found.left_out.values()):,} of them left out"),
            ("updates an epoch", f"{found.updates_an_epoch:,.1f}"),
        ]
    return _print("stage 1", found, rows, as_json)


def reckon_flow(recipe: FlowRecipe, processes: int, as_json: bool) -> int:
    from vlaser_core.train.reckoning import reckon_flow

    found = reckon_flow(recipe, processes)
    rows = [
        ("an update", f"{found.batch:,} samples, {found.samples_a_forward} a forward pass and process"),
        ("tokens of a prompt", f"at most about {found.prefix_tokens}"),
    ]
    if found.prefix_mb:
        rows.append(("kept prefixes", f"{found.prefix_mb} MB of disk a sample"))
    return _print("stage 2", found, rows, as_json)


def _print(stage: str, found: SftReckoning | FlowReckoning, rows: list[tuple[str, str]], as_json: bool) -> int:
    if not as_json:
        table = Table("measure", "value", title=f"{stage}, dry run: {found.model}")
        for part, count in found.parameters.items():
            table.add_row(part, f"{count:,} parameters, {'trained' if part in found.trained else 'frozen'}")
        table.add_row("trained", f"{found.trained_parameters:,} of {sum(found.parameters.values()):,}")
        table.add_row("processes", str(found.processes))
        for row in rows:
            table.add_row(*row)
        table.add_row("updates", f"{found.updates:,}, the first {found.warmup:,} warming up" if found.updates else "not known before the data is there")
        table.add_row("memory a process", f"about {found.memory_gb:.1f} GB ({found.state_gb:.1f} of it weights, gradients and moments)")
        Console().print(table)
    print(json.dumps(asdict(found)))
    return 0
