"""A checkpoint on this machine as a writer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlaser_core.data.labels.chat import Refused, Reply, Request
from vlaser_core.data.shards.reader import decode
from vlaser_core.errors import InputError
from vlaser_core.reasoning.types import Sampling

if TYPE_CHECKING:
    from vlaser_core.engine import Engine


class LocalWriter:
    """Asks a loaded model. It answers one request after the other, and counts no tokens: they cost nothing but time."""

    def __init__(self, engine: Engine, model: str) -> None:
        self._engine, self.model = engine, model

    def write(self, request: Request) -> Reply:
        question = f"{request.system}\n{request.prompt}" if request.system else request.prompt
        sampling = Sampling(temperature=request.temperature, seed=request.seed)
        try:
            pictures = [decode(picture) for picture in request.pictures]
            return Reply(self._engine.ask(pictures, question, sampling=sampling, max_new_tokens=request.max_tokens).text)
        except InputError as error:  # a prompt too long for the model, a picture it cannot read: the next one may fit
            raise Refused(str(error)) from error
