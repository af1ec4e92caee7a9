"""RViz beside a running stack: robot, chunk, frames and the annotated picture.

    ros2 launch vlaser_ros view.launch.py robot:=widowx
"""

from launch import LaunchDescription

from vlaser_ros.viewing import describe_view


def generate_launch_description() -> LaunchDescription:
    return describe_view()
