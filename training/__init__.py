"""Recipes: one readable file a pipeline (nano, 2B, 8B), run as commands. May import vlaser_core and sim_bridge."""
