"""What the subcommands of `vlaser` do, one module a subject; `vlaser_ros.cli` only runs what `arguments` reads.

`reasoning`, `evaluation` and `inspection` need no ROS.
"""
