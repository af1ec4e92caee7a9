"""`vlaser bag ground`: a phrase in a bag's pictures, as a video, a table and a JSON line."""

from __future__ import annotations

import dataclasses
import json

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from vlaser_core.errors import InputError
from vlaser_ros.commands.bags import GroundBag


def ground_bag(options: GroundBag) -> int:
    """Progress is on stderr; the JSON line on stdout says where the files are."""
    if options.every < 1 or options.limit < 0:
        raise InputError(f"every must be at least 1 and limit at least 0, got {options.every} and {options.limit}")
    import rclpy  # noqa: F401 - first: where ROS 2 comes as wheels, its import may restart the interpreter

    from vlaser_ros.bags.grounding import ground_bag as look
    from vlaser_ros.bags.reader import Bag
    from vlaser_ros.bags.sources import find_sources
    from vlaser_ros.commands.settings import read_settings

    with Bag(options.bag) as bag:
        sources = find_sources(bag, options.embodiment, read_settings(options.image_topic), need_joints=False)
        camera = options.camera or next(iter(sources.images))
        if camera not in sources.images:
            raise InputError(f"no camera is called {camera!r}; embodiment {sources.embodiment.name!r} has {list(sources.images)}")
        topic = sources.images[camera]
        from vlaser_core.engine import Engine

        engine = Engine.load(options.checkpoint, options.device, options.dtype, options.threads)
        looks = -(-bag.topics[topic].count // options.every)
        total = min(looks, options.limit or looks)
        bar = Progress("[progress.description]{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=Console(stderr=True))
        try:
            with bar as progress:
                line = progress.add_task("looks", total=total)
                found = look(bag, topic, engine.ground, options.phrase, options.out, every=options.every, limit=options.limit, progress=lambda done: progress.update(line, completed=done))
        except OSError as error:
            raise InputError(f"cannot write to {options.out}: {error.strerror}") from error
    facts = {"bag": str(options.bag), "camera": camera, "topic": topic, "phrase": options.phrase, "every": options.every}
    print(json.dumps({**facts, **dataclasses.asdict(found), "video": str(options.out / "ground.mp4"), "table": str(options.out / "ground.csv")}))
    return 0
