"""Recorders of simulators that run outside of this project: pictures and state in the layout of `vlaser_core.data.states`.

    python -m sim_bridge.states --checkout SIMPLERENV --python THEIR_PYTHON --episodes 24 --out datasets/simpler

SimplerEnv alone so far: an oracle drives through the bridge, sometimes spoilt on purpose, and `replay` repeats its actions in the
simulator's own Python, where segmentation and contacts are at hand. May import vlaser_core and sim_bridge.simpler.
"""
