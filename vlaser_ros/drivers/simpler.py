"""`simpler_driver`: SimplerEnv behind a robot's topics, in lock-step, with /clock.

    simpler_driver --ros-args -p checkout:=SimplerEnv -p suite:=widowx -p task:=widowx_carrot_on_plate
"""

from __future__ import annotations

from vlaser_ros.process import guard, run


def main() -> None:
    guard()
    from vlaser_ros.drivers.simpler_node import SimplerDriver

    run(SimplerDriver, threads=2)


if __name__ == "__main__":
    main()
