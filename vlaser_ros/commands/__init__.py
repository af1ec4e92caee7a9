"""What the subcommands of `vlaser` do, one module a subject; `vlaser_ros.cli` only reads arguments and calls these.

`reasoning`, `evaluation` and `inspection` need no ROS.
"""
