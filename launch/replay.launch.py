"""A recorded bag with its clock, chunk controller, server: the live stack on what was recorded.

    ros2 launch vlaser_ros replay.launch.py bag:=runs/demo/demo.mcap rate:=0.5
"""

from launch import LaunchDescription

from vlaser_ros.launching import describe


def generate_launch_description() -> LaunchDescription:
    return describe("replay")
