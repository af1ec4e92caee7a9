"""The simulated tabletop: sim driver, chunk controller, server.

    ros2 launch vlaser_ros tabletop.launch.py task:=widowx_carrot_on_plate seed:=3
"""

from launch import LaunchDescription

from vlaser_ros.launching import describe


def generate_launch_description() -> LaunchDescription:
    return describe("tabletop")
