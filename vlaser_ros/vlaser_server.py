"""`vlaser_server`: one loaded model behind an action and four services.

    vlaser_server --ros-args -p checkpoint:=/path/to/checkpoint -p image_topics:="[/camera/color/image_raw]"
"""

from __future__ import annotations

from vlaser_ros.process import guard, run


def main() -> None:
    guard()
    from vlaser_ros.server.node import THREADS, VlaserServer

    run(VlaserServer, threads=THREADS)


if __name__ == "__main__":
    main()
