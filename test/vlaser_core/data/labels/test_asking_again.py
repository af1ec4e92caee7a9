from __future__ import annotations

import itertools

import pytest

from vlaser_core.data.labels.chat import Refused, Reply, Request, Unavailable
from vlaser_core.data.labels.ordered import in_order
from vlaser_core.data.labels.retry import Patience, Retrying


class Failing:
    """Fails as it is told, then answers."""

    model = "m"

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.asked = list(errors), 0

    def write(self, request: Request) -> Reply:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return Reply("at last")


def test_waits_grow_up_to_the_longest_and_differ():
    waits: list[float] = []
    writer = Retrying(Failing(*[Unavailable("busy") for _ in range(7)]), Patience(8, 1.0, 10.0), waits.append)
    assert writer.write(Request("?")).text == "at last"
    assert all(0.5 * cap <= wait <= cap for wait, cap in zip(waits, [1, 2, 4, 8, 10, 10, 10], strict=True))
    assert len(set(waits)) == len(waits)


def test_what_the_server_asks_to_wait_is_waited_but_not_longer_than_the_longest():
    waits: list[float] = []
    writer = Retrying(Failing(Unavailable("busy", 20.0), Unavailable("busy", 3600.0)), Patience(3, 1.0, 30.0), waits.append)
    writer.write(Request("?"))
    assert waits == [20.0, 30.0]


def test_after_the_last_attempt_it_says_how_often_it_tried():
    failing = Failing(*[Unavailable("busy") for _ in range(9)])
    with pytest.raises(Unavailable, match=r"busy \(3 attempts\); run the same command again"):
        Retrying(failing, Patience(3, 0.0, 0.0), lambda _: None).write(Request("?"))
    assert failing.asked == 3


def test_what_is_refused_is_not_asked_again():
    failing = Failing(Refused("too long"))
    with pytest.raises(Refused):
        Retrying(failing, Patience(), lambda _: None).write(Request("?"))
    assert failing.asked == 1


def test_results_come_in_order_and_few_are_begun_ahead():
    begun = []

    def jobs():
        for number in itertools.count():
            begun.append(number)
            yield lambda number=number: number * number

    results = in_order(jobs(), threads=3)
    assert [next(results) for _ in range(5)] == [0, 1, 4, 9, 16]
    assert max(begun) < 5 + 2 * 3
    results.close()


def test_the_first_failure_is_raised_in_its_place_and_nothing_new_is_begun():
    ran = []

    def job(number: int) -> int:
        ran.append(number)
        if number == 2:
            raise Unavailable("gone")
        return number

    results = in_order(((lambda number=number: job(number)) for number in range(100)), threads=2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(Unavailable):
        next(results)
    assert len(ran) <= 7
