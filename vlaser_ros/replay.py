"""`replay`: plays a bag's camera and joint topics, with /clock, into a running stack.

    replay --ros-args -p bag:=runs/demo/demo.mcap -p rate:=0.5 -p embodiment:=widowx
"""

from __future__ import annotations

from vlaser_ros.process import guard, run


def main() -> None:
    guard()
    from vlaser_ros.bags.player import Replay

    run(Replay, threads=1)


if __name__ == "__main__":
    main()
