"""EmbodiedBench's EB-ALFRED and EB-Habitat: a planner that names actions by number, in simulators that live in an environment of their own.

The planner's prompts, the reading of its plans and the episode's rules run here; the simulator runs in a worker process (`worker.py`) that imports
EmbodiedBench. Those rules were tested with the worker's stand-in household; the simulators themselves were never run with this project.
"""
