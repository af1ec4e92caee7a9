"""The embedded tabletop: a WidowX of primitives in MuJoCo with the four Bridge tasks, an expert, and a recorder.

May import vlaser_core, mujoco, numpy and opencv; imports no ROS and no torch. Frames are the embodiment's base frame,
quaternions xyzw outside this package. Pictures come from EGL, OSMesa, or a ray caster that needs no system package.
"""

from sim_bridge.tabletop.expert import ScriptedExpert
from sim_bridge.tabletop.tasks import TASKS, Task
from sim_bridge.tabletop.world import Tabletop

__all__ = ["TASKS", "ScriptedExpert", "Tabletop", "Task"]
