"""SimplerEnv in lock-step with /clock, and the server.

    ros2 launch vlaser_ros simpler.launch.py checkout:=SimplerEnv task:=widowx_carrot_on_plate
"""

from launch import LaunchDescription

from vlaser_ros.launching import describe


def generate_launch_description() -> LaunchDescription:
    return describe("simpler")
