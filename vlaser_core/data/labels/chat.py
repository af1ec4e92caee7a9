"""One question to a model about pictures, and what may come back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from vlaser_core.data.source import Picture
from vlaser_core.errors import InputError


@dataclass(frozen=True)
class Request:
    """pictures: as they are sent, JPEG or PNG. max_tokens: of the answer. seed: of its sampling, where the model takes one."""

    prompt: str
    pictures: tuple[Picture, ...] = ()
    system: str = ""
    temperature: float = 0.0
    max_tokens: int = 512
    seed: int = 0


@dataclass(frozen=True)
class Reply:
    """complete: False where the answer was cut off at max_tokens. Tokens are 0 where the model does not count them."""

    text: str
    prompt_tokens: int = 0
    answer_tokens: int = 0
    complete: bool = True


class Writer(Protocol):
    """A model that answers. model: its name, which goes into provenance and the cache. Safe to call from several threads."""

    model: str

    def write(self, request: Request) -> Reply:
        """Raises Refused for this request alone, Unavailable when asking again may help, other InputErrors when nothing will."""


class Refused(InputError):
    """This request cannot be answered (too long, a picture the model does not take); the next one may be."""


class Unavailable(InputError):
    """No answer now: too many requests, a server's fault, a broken line. after: seconds the server asks to wait, if it said."""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class BudgetSpent(InputError):
    """A cap of the budget is reached: nothing more is asked until it is raised."""
