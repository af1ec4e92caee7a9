"""`vlaser demo`: the four tabletop tasks through the whole stack, and what is left of it to look at.

`run` starts the processes and drives the episodes while `recorder` writes every topic; the film and the report are
then made from that recording alone (`playback`, `overlay`, `film`, `report`). Nothing imports this package but the
command line.
"""

from vlaser_ros.demo.settings import Settings

__all__ = ["Settings", "demo"]


def demo(settings: Settings) -> int:
    """Run it; see `vlaser_ros.demo.run`. Imported late: this needs ROS 2."""
    from vlaser_ros.demo.run import run

    return run(settings)
