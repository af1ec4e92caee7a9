"""SimplerEnv as a robot: its conventions, and what talks to a user's checkout of it across a process boundary."""
