"""What makes this folder look like a checkout of SimplerEnv to the worker: nothing here is SimplerEnv's."""
