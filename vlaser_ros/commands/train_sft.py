"""`vlaser train sft`: stage 1 from records to a checkpoint. No ROS."""

from __future__ import annotations

import json
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from vlaser_core.train.sft_recipe import SftRecipe


def train_sft(recipe: SftRecipe, as_json: bool) -> int:
    """Train; the result is a table and a JSON line last, the JSON line alone with `as_json`."""
    from vlaser_core.train.sft import sft

    stderr = Console(stderr=True)
    result = sft(recipe, lambda text: stderr.print(text, markup=False, highlight=False))
    if not as_json:
        table = Table("measure", "value", title="stage 1")
        table.add_row("checkpoint", result.checkpoint)
        table.add_row("updates", str(result.updates))
        table.add_row("learned from in this run", f"{result.samples:,} samples, {result.tokens:,} tokens")
        table.add_row("loss at the end", f"{result.loss:.4f}")
        for name, value in result.evaluation.items():
            table.add_row(name.replace("_", " "), f"{value:.4f}")
        for reason, count in result.left_out.items():
            table.add_row(f"left out: {reason}", f"{count:,} samples")
        Console().print(table)
    print(json.dumps(asdict(result)))
    return 0
