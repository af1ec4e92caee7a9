"""Two stages of training and the loop they share.

`language` (stage 1): next-token loss on answers. `flow` (stage 2): flow-matching loss on action chunks. `loop`: steps,
schedule, averaging, checkpoints, resume. Recipes that put them together are in the `training` package.
"""
