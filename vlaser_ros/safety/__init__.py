"""What stands between a policy and a motor: the chunk gate. No ROS, no torch."""
