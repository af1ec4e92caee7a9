"""ROS 2 nodes, drivers, the safety gate, bring-up and the `vlaser` command.

May import vlaser_core and sim_bridge; nothing imports this package. `safety`, `joint_history` and `trajectory`
are plain Python, so that what decides about motion can be tested without ROS.
"""

import os
import sys

# The wheels' ament index lies in the environment itself; a sourced ROS 2 has set the variable already.
os.environ.setdefault("AMENT_PREFIX_PATH", sys.prefix)
