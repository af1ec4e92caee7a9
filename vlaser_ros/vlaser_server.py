"""`vlaser_server`: one loaded model behind an action and four services.

    vlaser_server --ros-args -p checkpoint:=/path/to/checkpoint -p image_topics:="[/camera/color/image_raw]"
"""

from __future__ import annotations

import sys

from vlaser_ros.process import guard, run


def main() -> None:
    guard()
    # A picture that arrives must not wait 5 ms, Python's default, for a thread that computes.
    sys.setswitchinterval(0.001)
    from vlaser_ros.server.loading import keep_pictures_memory
    from vlaser_ros.server.node import THREADS, VlaserServer

    keep_pictures_memory()
    run(VlaserServer, threads=THREADS)


if __name__ == "__main__":
    main()
