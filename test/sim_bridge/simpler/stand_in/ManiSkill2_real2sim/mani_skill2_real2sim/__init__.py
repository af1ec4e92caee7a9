"""In place of ManiSkill2_real2sim: environments of the same names over toy kinematics (`envs`)."""
