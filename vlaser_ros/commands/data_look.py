"""`vlaser data check | stats | show | merge | export`: sets that are there."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from vlaser_core.data.shards import RecordSet


def check_set(folder: Path, json_only: bool) -> int:
    """Verify a set; 1 when anything disagrees."""
    from vlaser_core.data.verify import verify

    found = verify(RecordSet(folder))
    if not json_only:
        console = Console()
        for entry in found.listed:
            lines = (
                f"{entry['id']} ({entry['family']})",
                entry["question"],
                f"says     {entry['answer']}",
                f"expected {entry['expected']}",
            )
            console.print("\n  ".join(lines), highlight=False, markup=False)
        console.print(
            f"{found.records} records and {found.pictures} pictures read; {sum(found.checked.values())} answers of {len(found.checked)} families derived again, "
            f"{found.without_truth} records have no truth to hold them against: {found.disagreements} disagreements"
        )
    print(json.dumps(found.to_json()))
    return 1 if found.disagreements else 0


def show_stats(folder: Path, json_only: bool, page: Path | None) -> int:
    """Tables, a page when asked for, and the JSON line with the digest."""
    from vlaser_core.data.shards.files import write_text
    from vlaser_core.data.stats import stats
    from vlaser_core.data.stats_page import stats_page

    found = stats(RecordSet(folder)).to_json()
    if page is not None:
        write_text(page, stats_page(folder.name, found))
    if not json_only:
        console = Console()
        for label, counts in found["mix"].items():
            table = Table(label, "records", "share", "")
            for name, count in sorted(counts.items(), key=lambda entry: -entry[1]):
                share = count / max(1, found["records"])
                table.add_row(name, str(count), f"{share:.1%}", "█" * round(40 * share))
            console.print(table)
        console.print(_answers(found["families"]))
        console.print(_lengths(found["families"]))
        for name in found["unbalanced"]:
            console.print(f"[yellow]{name}[/]: one answer is given {found['families'][name]['top_answers'][0]['share']:.0%} of the time")
    print(json.dumps(found))
    return 0


def _answers(families: dict) -> Table:
    counts = [Column(name, min_width=9) for name in ("records", "different questions", "different answers")]
    table = Table(
        Column("family", min_width=16, no_wrap=True), *counts, Column("most given", no_wrap=True, overflow="ellipsis", max_width=48)
    )
    for name, family in families.items():
        top = ", ".join(f"{entry['answer'][:24]!r} {entry['share']:.0%}" for entry in family["top_answers"][:2])
        table.add_row(name, str(family["records"]), str(family["different_questions"]), str(family["different_answers"]), top)
    return table


def _lengths(families: dict) -> Table:
    table = Table("family", "letters of a question: median", "largest", "of an answer: median", "largest")
    for name, family in families.items():
        table.add_row(
            name, *(str(family[f"{part}_characters"].get(which, "")) for part in ("question", "answer") for which in ("median", "max"))
        )
    return table


def write_page(folder: Path, out: Path | None, per_family: int, seed: int) -> int:
    """Write the page of samples and say where it is."""
    from vlaser_core.data.shards.files import write_text
    from vlaser_core.data.show import page
    from vlaser_core.errors import InputError

    if per_family < 1:
        raise InputError(f"expected at least 1 sample a family, got {per_family}")
    path = out or folder / "show.html"
    write_text(path, page(RecordSet(folder), per_family, seed))
    print(path)
    return 0


def merge_sets(folders: tuple[Path, ...], out: Path) -> int:
    """Merge and tell how many records came together."""
    from vlaser_core.data.export import merge

    print(json.dumps({"folder": str(out), "records": merge(folders, out)}))
    return 0


def export_set(folder: Path, out: Path) -> int:
    """Export and tell how much was written."""
    from vlaser_core.data.export import export

    records, images = export(RecordSet(folder), out)
    print(json.dumps({"folder": str(out), "records": records, "images": images}))
    return 0
