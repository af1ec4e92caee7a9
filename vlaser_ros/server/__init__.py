"""The parts of `vlaser_server`: its lifecycle, parameters and inputs, whose turn it is, one goal, the model's threads, the questions in words."""
