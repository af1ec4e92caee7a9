"""As much of gymnasium as the worker touches: `make`, and environments that end after their number of steps."""

from types import SimpleNamespace

__version__ = "0.0.stand_in"
registry = {}


def make(env_id, **options):
    kind, steps = registry[env_id]
    return _Limited(kind(env_id, **options), steps)


class _Limited:
    def __init__(self, unwrapped, steps):
        self.unwrapped, self.spec = unwrapped, SimpleNamespace(max_episode_steps=steps)

    def reset(self, *, seed, options):
        return self.unwrapped.reset(seed, options)

    def step(self, action):
        observation, success, info = self.unwrapped.step(action)
        return observation, float(success), success, self.unwrapped.elapsed_steps >= self.spec.max_episode_steps, info

    def close(self):
        self.unwrapped.closed = True
