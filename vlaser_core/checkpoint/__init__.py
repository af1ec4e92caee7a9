"""Checkpoints on disk. `folder` is the project's own layout: weights, sizes, robot, statistics and tokenizer together."""
