"""What `vlaser urdf` can be asked."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional


@dataclass(frozen=True)
class Urdf:
    """The robot of a contract as a URDF, on standard output: for RViz, Foxglove, robot_state_publisher."""

    robot: Positional[str]  # a contract's name (widowx, aloha) or a path to its YAML file
    out: Path | None = None  # a file to write in place of standard output
    cameras: bool = True  # with the frames of calibrated cameras; --no-cameras where their own driver publishes those

    def run(self) -> int:
        from vlaser_core.embodiment import load_embodiment
        from vlaser_core.errors import InputError
        from vlaser_core.projection import uncalibrated
        from vlaser_core.urdf_description import robot_description

        embodiment = load_embodiment(self.robot)
        text = robot_description(embodiment, cameras=self.cameras)
        for lack in (uncalibrated(camera) for camera in embodiment.cameras if self.cameras):
            if lack:
                print(f"no frame: {lack}", file=sys.stderr)
        if self.out is None:
            print(text, end="")
            return 0
        try:
            self.out.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(f"cannot write {self.out}: {error.strerror}") from error
        return 0
