"""`sim_driver`: a simulated world behind the real arm's topics, in real time.

    sim_driver --ros-args -p world:=tabletop -p task:=carrot_on_plate -p seed:=0
"""

from __future__ import annotations

from vlaser_ros.process import guard, run


def main() -> None:
    guard()
    from vlaser_ros.drivers.sim_node import SimDriver

    run(SimDriver, threads=2)


if __name__ == "__main__":
    main()
