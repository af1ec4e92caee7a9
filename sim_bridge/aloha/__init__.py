"""A table with two ViperX 300s arms that face each other, of primitives in MuJoCo, with tasks and a scripted expert.

May import vlaser_core, mujoco, numpy, opencv and the tabletop's choice of renderer; imports no ROS and no torch. Positions
are in the embodiment's base frame (on the table, midway between the feet), quaternions xyzw outside this package.
"""

from sim_bridge.aloha.expert import AlohaExpert
from sim_bridge.aloha.tasks import TASKS, Task
from sim_bridge.aloha.world import AlohaTable

__all__ = ["TASKS", "AlohaExpert", "AlohaTable", "Task"]
