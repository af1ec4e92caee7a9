"""Bags: writing them, reading any of them, judging a policy on them, looking for things in them, playing them back.

`files` writes MCAP and `recorder` fills it from the running topics; `reader` opens what anyone recorded (MCAP, sqlite3,
ROS 1), `sources` finds the robot and its topics in it, `views` builds the policy's observations from it with the
server's own code. `open_loop`, `grounding` and `vlaser_ros.replay` stand on these. Importing this package loads nothing.
"""
