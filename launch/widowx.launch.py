"""The WidowX 250s: chunk controller and server; the simulated arm in its place with sim:=true.

    ros2 launch vlaser_ros widowx.launch.py sim:=true
"""

from launch import LaunchDescription

from vlaser_ros.launching import describe


def generate_launch_description() -> LaunchDescription:
    return describe("widowx")
