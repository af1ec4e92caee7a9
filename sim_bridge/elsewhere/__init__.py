"""Pictures that are not of the tabletop: other things on a floor, a desk, a shelf or a counter, from any side, without a robot.

The out-of-domain twin of `sim_bridge.tabletop` for the data engine: the same questions about other pictures. May import
vlaser_core, mujoco, numpy, opencv and the tabletop's renderers; imports no ROS and no torch.
"""

from sim_bridge.elsewhere.world import Elsewhere

__all__ = ["Elsewhere"]
