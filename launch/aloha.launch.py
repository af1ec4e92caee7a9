"""ALOHA, two ViperX 300s: driver, chunk controller, server; the simulated table in their place with sim:=true.

    ros2 launch vlaser_ros aloha.launch.py sim:=true engine:=stand_in
"""

from launch import LaunchDescription

from vlaser_ros.launching import describe


def generate_launch_description() -> LaunchDescription:
    return describe("aloha")
