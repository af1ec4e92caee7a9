"""Robot data in its publishers' own layouts, read as episodes: instruction, pictures, states and actions.

Each reader yields `Episode`s lazily; `checks` holds them against an embodiment before training, `records` asks simple
questions about them. Knows neither ROS nor a simulator, and runs no code of a data set.
"""
