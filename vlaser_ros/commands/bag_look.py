"""What `vlaser bag look` can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional


@dataclass(frozen=True)
class Look:
    """A moment of a recording as a picture: what the robot saw and meant to do, and the robot with its chunk beside it."""

    bag: Positional[Path]  # file or folder, of `vlaser record` or `vlaser demo`
    at: float | None = None  # s after its begin; by default while the middle one of its chunks is under way
    out: Path = Path("runs/look.png")  # picture to write

    def run(self) -> int:
        from vlaser_core.errors import InputError
        from vlaser_ros.bags.look import look
        from vlaser_ros.commands.pictures import write_picture

        picture = look(self.bag, self.at)
        try:
            self.out.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make {self.out.parent}: {error.strerror}") from error
        write_picture(self.out, picture)
        print(self.out)
        return 0
