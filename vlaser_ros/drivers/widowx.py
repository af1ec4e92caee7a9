"""`widowx_driver`: the real WidowX 250s behind the contract's topics.

    widowx_driver --ros-args -p robot_names:=[wx250s] -p backend:=interbotix
"""

from __future__ import annotations

from vlaser_ros.process import guard, run


def main() -> None:
    guard()
    from vlaser_ros.drivers.arm_node import ArmDriver

    run(lambda: ArmDriver("widowx_driver", "widowx"), threads=1)


if __name__ == "__main__":
    main()
