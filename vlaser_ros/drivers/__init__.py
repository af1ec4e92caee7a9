"""Drivers: a robot, or a simulated world, behind the topics the other nodes speak."""
