"""`aloha_driver`: two real ViperX 300s followers behind the contract's topics.

    aloha_driver --ros-args -p robot_names:="[follower_left, follower_right]" -p joint_prefixes:="[left_, right_]"
"""

from __future__ import annotations

from vlaser_ros.process import guard, run


def main() -> None:
    guard()
    from vlaser_ros.drivers.arm_node import ArmDriver

    run(lambda: ArmDriver("aloha_driver", "aloha"), threads=1)


if __name__ == "__main__":
    main()
