"""Recipes: one readable file a pipeline, run as commands. Imports vlaser_core and sim_bridge; nothing but the `vlaser` command imports this."""
