"""The one way a model is asked: prompts with pictures go in, texts come out. A checkpoint on this machine, or an endpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from vlaser_core.data.labels.chat import Refused, Request, Writer
from vlaser_core.data.labels.ordered import in_order
from vlaser_core.data.shards.reader import decode
from vlaser_core.data.source import Picture
from vlaser_core.errors import InputError

if TYPE_CHECKING:
    from vlaser_core.engine import Engine


@dataclass(frozen=True)
class Asked:
    """prompt: `<image>` in it says where each picture stands. most_tiles: squares a picture may be cut into, None as the model does."""

    prompt: str
    pictures: tuple[Picture, ...]
    max_tokens: int
    most_tiles: int | None = None


@dataclass(frozen=True)
class Answered:
    """complete: False where the answer was cut off. refused: why the model did not answer; the text is then empty."""

    text: str
    complete: bool = True
    refused: str = ""


class Respondent(Protocol):
    """A model that answers. model: its name, which stands in the answers' file."""

    model: str

    def answer(self, asked: Sequence[Asked]) -> list[Answered]:
        """One for each, in their order. Raises InputError only where nothing more can be asked."""


class Checkpoint:
    """A loaded model; the questions of a call that are alike in length and cutting are answered together."""

    def __init__(self, engine: Engine, model: str) -> None:
        self._engine, self.model = engine, model

    def answer(self, asked: Sequence[Asked]) -> list[Answered]:
        answers: dict[int, Answered] = {}
        for how in dict.fromkeys((each.max_tokens, each.most_tiles) for each in asked):
            places = [place for place, each in enumerate(asked) if (each.max_tokens, each.most_tiles) == how]
            questions = [([decode(picture) for picture in asked[place].pictures], asked[place].prompt) for place in places]
            done = self._engine.ask_together(questions, max_new_tokens=how[0], most_tiles=how[1])
            for place, answer in zip(places, done, strict=True):
                answers[place] = Answered("", refused=str(answer)) if isinstance(answer, InputError) else Answered(*answer)
        return [answers[place] for place in range(len(asked))]


class Elsewhere:
    """A model behind an endpoint, or any other writer of labels; `together` requests are on their way at once."""

    def __init__(self, writer: Writer, together: int) -> None:
        self._writer, self._together, self.model = writer, together, writer.model

    def answer(self, asked: Sequence[Asked]) -> list[Answered]:
        jobs: list[Callable[[], Answered]] = [partial(self._one, each) for each in asked]
        return list(in_order(jobs, self._together))

    def _one(self, asked: Asked) -> Answered:
        try:
            reply = self._writer.write(Request(asked.prompt, asked.pictures, max_tokens=asked.max_tokens))
        except Refused as error:
            return Answered("", refused=str(error))
        return Answered(reply.text, reply.complete)
