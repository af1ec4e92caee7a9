"""Simulators as robots: each is a `World` with the cameras, joints and units of an embodiment.

May import vlaser_core; imports no ROS. vlaser_ros puts any of these worlds behind the real arm's topics.
"""
