"""What may be spent on answers, and what has been: one account for all workers and runs that share a folder."""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError

from vlaser_core.data.labels.chat import BudgetSpent, Reply, Request, Writer
from vlaser_core.data.shards.files import write_text
from vlaser_core.errors import InputError

NAME = "spent.json"


@dataclass(frozen=True)
class Budget:
    """Caps, None for none. requests, tokens and money count everything in the account, hours the present run alone.

    prompt_price, answer_price: money a million tokens, in whatever currency `money` is. A request is begun only where its
    longest answer, behind the longest prompt seen so far, still fits.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)
    requests: int | None = None
    tokens: int | None = None
    money: float | None = None
    hours: float | None = None
    prompt_price: float = 0.0
    answer_price: float = 0.0

    def __post_init__(self) -> None:
        caps = {name: value for name, value in asdict(self).items() if value is not None}
        negative = [name for name, value in caps.items() if not 0 <= value < float("inf")]
        if negative or (self.money is not None and not self.prompt_price + self.answer_price):
            raise ValueError(f"caps and prices are 0 or more, and a cap on money needs the prices of tokens; got {caps}")

    def price(self, prompt_tokens: int, answer_tokens: int) -> float:
        return (prompt_tokens * self.prompt_price + answer_tokens * self.answer_price) / 1e6


@dataclass(frozen=True)
class Spent:
    """An account. Requests whose end was not seen (a kill) stay counted at the most they can have cost."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)
    requests: int = 0
    tokens: int = 0
    money: float = 0.0
    longest_prompt: int = 0


def read_spent(folder: Path) -> Spent:
    """The account below `folder`. Raises InputError when it cannot be read: what was spent is not forgotten silently."""
    path = folder / NAME
    try:
        return TypeAdapter(Spent).validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Spent()
    except (OSError, ValueError, ValidationError) as error:
        raise InputError(
            f"cannot read {path}, the account of requests and tokens spent: {error}; write down what was spent, or remove it to count anew"
        ) from error


class Budgeted:
    """A writer that asks another as long as the budget allows it. ends: time (s since the epoch) at which `hours` are over."""

    def __init__(
        self, writer: Writer, budget: Budget, folder: Path, ends: float | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.model = writer.model
        self._writer, self._budget, self._folder, self._ends, self._clock = writer, budget, folder, ends, clock

    def write(self, request: Request) -> Reply:
        held_prompt, held_answer = self._begin(request)
        reply = None
        try:
            reply = self._writer.write(request)
        finally:
            used = (0, 0) if reply is None else (reply.prompt_tokens, reply.answer_tokens)
            self._settle(used[0], used[1], held_prompt, held_answer)
        return reply

    def _begin(self, request: Request) -> tuple[int, int]:
        budget = self._budget
        with self._account() as account:
            spent = account[0]
            held = spent.longest_prompt, request.max_tokens
            after = Spent(spent.requests + 1, spent.tokens + sum(held), round(spent.money + budget.price(*held), 9), spent.longest_prompt)
            for name, cap in (("requests", budget.requests), ("tokens", budget.tokens), ("money", budget.money)):
                if cap is not None and getattr(after, name) > cap:
                    raise BudgetSpent(
                        f"the budget of {cap:g} {name} is spent ({getattr(spent, name):g} so far, by {self._folder / NAME}); "
                        "raise it and run the same command again: it continues, and nothing is asked twice"
                    )
            if self._ends is not None and self._clock() >= self._ends:
                raise BudgetSpent(
                    f"the {budget.hours:g} hours for this run are over; run the same command again: it continues, and nothing is asked twice"
                )
            account[0] = after
        return held

    def _settle(self, prompt: int, answer: int, held_prompt: int, held_answer: int) -> None:
        """What was held back becomes what was used: nothing, where no answer came."""
        with self._account() as account:
            spent = account[0]
            money = round(spent.money + self._budget.price(prompt, answer) - self._budget.price(held_prompt, held_answer), 9)
            tokens = spent.tokens + prompt + answer - held_prompt - held_answer
            account[0] = Spent(spent.requests, tokens, max(0.0, money), max(spent.longest_prompt, prompt))

    @contextmanager
    def _account(self) -> Iterator[list[Spent]]:
        """The account, alone among all threads and processes; what is in the list afterwards is written back."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "spent.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = read_spent(self._folder)
            account = [before]
            yield account
            if account[0] != before:
                write_text(self._folder / NAME, json.dumps(asdict(account[0])) + "\n")
