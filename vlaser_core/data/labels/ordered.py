"""Several questions at once, answers in the order of the questions."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

_Value = TypeVar("_Value")


def in_order(jobs: Iterable[Callable[[], _Value]], threads: int) -> Iterator[_Value]:
    """Results of `jobs`, lazily: no more than twice `threads` are begun or wait to be taken.

    The first exception is raised where its result would stand; what is under way by then is waited for, so that an answer
    that is being paid is kept, and nothing else is begun.
    """
    source = iter(jobs)
    with ThreadPoolExecutor(threads, thread_name_prefix="labels") as pool:
        begun: deque[Future[_Value]] = deque()
        try:
            begun.extend(pool.submit(job) for job in islice(source, 2 * threads))
            while begun:
                yield begun.popleft().result()
                begun.extend(pool.submit(job) for job in islice(source, 1))
        finally:
            for future in begun:
                future.cancel()
