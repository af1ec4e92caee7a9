"""`vlaser bag info` and `vlaser bag repair`."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table


def info(path: Path, only_json: bool) -> int:
    """A table of the topics, and the same as JSON."""
    from vlaser_ros.bags.reader import Bag
    from vlaser_ros.bags.sources import contract_of

    with Bag(path) as bag:
        contract = contract_of(bag)
        robot = contract.embodiment.name if contract else None
        topics = sorted(bag.topics.values(), key=lambda topic: topic.name)
        if not only_json:
            table = Table("topic", "type", "messages", "Hz", title=f"{path}: {bag.seconds:.1f} s of {robot or 'an unnamed robot (no contract in the bag)'}")
            for topic in topics:
                table.add_row(topic.name, topic.type, str(topic.count), f"{topic.count / bag.seconds:.1f}" if bag.seconds else "")
            Console().print(table)
        facts = {"bag": str(path), "seconds": round(bag.seconds, 3), "start": bag.start * 1e-9, "embodiment": robot}
        print(json.dumps({**facts, "topics": {topic.name: {"type": topic.type, "count": topic.count} for topic in topics}}))
    return 0


def mend(file: Path, out: Path) -> int:
    """What was kept and what was lost; 0 also when something was."""
    from vlaser_ros.bags.repair import repair

    found = repair(file, out)
    lost = f"lost: {found.chunks_lost} chunks, {found.orphans} messages without a definition, {found.bytes_lost} bytes at the end ({found.reason or 'the file was whole'})"
    Console(stderr=True).print(f"{out}: {found.messages} messages; {'nothing was lost' if found.whole else lost}", markup=False)
    line = {"out": str(out), "messages": found.messages, "chunks_lost": found.chunks_lost, "orphans": found.orphans, "bytes_lost": found.bytes_lost}
    print(json.dumps({**line, "reason": found.reason}))
    return 0
