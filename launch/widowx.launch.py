"""The WidowX 250s: driver, chunk controller, server; the simulated arm in its place with sim:=true.

    ros2 launch vlaser_ros widowx.launch.py robot_names:=[wx250s]
"""

from launch import LaunchDescription

from vlaser_ros.launching import describe


def generate_launch_description() -> LaunchDescription:
    return describe("widowx")
