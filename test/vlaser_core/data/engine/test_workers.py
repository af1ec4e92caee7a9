from __future__ import annotations

from types import SimpleNamespace

import pytest

from vlaser_core.data.engine.workers import start_ray
from vlaser_core.errors import InputError


def ray_that(*outcomes):
    """A Ray whose starts end so, one after the other."""
    calls = []

    def init(**options):
        calls.append(options)
        if outcomes[len(calls) - 1] is not None:
            raise outcomes[len(calls) - 1]

    return SimpleNamespace(init=init, shutdown=lambda: None, calls=calls)


SLOW = Exception("The current node timed out during startup.")


def test_a_busy_machine_on_which_ray_starts_slowly_is_given_another_chance():
    ray = ray_that(SLOW, SLOW, None)
    start_ray(ray, {"num_cpus": 2}, "")
    assert ray.calls == [{"num_cpus": 2}] * 3


def test_a_ray_that_never_starts_is_an_error_that_says_what_to_do():
    with pytest.raises(InputError, match="timed out.*attempts.*too busy.*--workers 0"):
        start_ray(ray_that(*[SLOW] * 20), {}, "")


def test_a_cluster_that_refuses_is_not_asked_again():
    ray = ray_that(ConnectionError("nobody there"))
    with pytest.raises(InputError, match="Ray does not start at head:6379: nobody there"):
        start_ray(ray, {}, " at head:6379")
    assert len(ray.calls) == 1
