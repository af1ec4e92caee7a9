"""The data engine: what is true of a scene, and the questions, answers and chunks that follow from it.

Knows no simulator: a simulator fills in `truth.SceneTruth`, `families` asks about it.
"""
