"""The stage that has questions and answers written about pictures, and adds them behind the records that showed the pictures."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.labels.chat import Refused
from vlaser_core.data.labels.draft import Draft, drafts_of, read_reply, request_of
from vlaser_core.data.labels.families import Families
from vlaser_core.data.labels.ordered import in_order
from vlaser_core.data.labels.spec import Opened, WriterSpec
from vlaser_core.data.record import Message, Record
from vlaser_core.data.source import Damage, Sample, Unit, qualified_id
from vlaser_core.data.sources.base import placeholders
from vlaser_core.errors import InputError

WRITTEN = "written by "  # how the provenance of every written record begins
REFUSED_AT_ONCE = 8  # requests of a unit: when the first of them are all refused, it is the request's form and not the pictures


@dataclass
class WriteLabels:
    """families: what is written for each source's pictures, by source; `*` for those not named. cache: folder of answers and
    account. own: the source's records are passed on too. ends: when the budget's hours are over (s since the epoch).

    Every picture is asked about once in each family, from the first record of its unit that shows it first.
    """

    spec: WriterSpec
    prompts: Families
    families: Mapping[str, tuple[str, ...]]
    cache: Path
    own: bool = True
    ends: float | None = None
    name: str = "write"
    _opened: Opened = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._opened = Opened(self.spec, self.cache, self.ends)
        for names in self.families.values():
            self.prompts.chosen(names)

    @property
    def settings(self) -> dict[str, str | int | float | bool]:
        chosen = {f"families of {source}": ", ".join(names) for source, names in sorted(self.families.items())}
        return {**self.spec.settings, **chosen, "prompts": self.prompts.digest, "own": self.own}

    def apply(self, unit: Unit, samples: Iterator[Sample], dropped: Damage, seed: int) -> Iterator[Sample]:
        refused = answered = 0
        for result in in_order(self._jobs(unit, samples, seed), self.spec.concurrency):
            for each in result:
                if isinstance(each, Sample):
                    answered += each.record.provenance.startswith(WRITTEN)
                    yield each
                    continue
                where, error = each
                if isinstance(error, Refused):
                    refused += 1
                    if refused == REFUSED_AT_ONCE and not answered:
                        raise InputError(f"{self.spec.model} refused the first {refused} requests: {error}")
                    dropped.skip(f"{where} ({error})", "the model refused the request")
                else:
                    dropped.skip(f"{where} ({error})", error.reason)

    def _jobs(
        self, unit: Unit, samples: Iterator[Sample], seed: int
    ) -> Iterator[Callable[[], list[Sample | tuple[str, Damaged | Refused]]]]:
        chosen = self.prompts.chosen(self.families.get(unit.source, self.families.get("*", ())))
        seen: set[tuple[str, str]] = set()
        for sample in samples:
            if self.own:
                yield partial(list, [sample])
            for draft in drafts_of(sample, chosen):
                key = draft.key()
                if key not in seen:
                    seen.add(key)
                    yield partial(self._write, unit, draft, seed)

    def _write(self, unit: Unit, draft: Draft, seed: int) -> list[Sample | tuple[str, Damaged | Refused]]:
        """One draft: its records, or where it stands and why there are none."""
        where = f"{qualified_id(unit, draft.sample.record.id)}, {draft.family}"
        identity = zlib.crc32(f"{unit.source}/{unit.key}/{draft.sample.record.id}/{draft.family}".encode())
        rng = np.random.default_rng([seed, identity])
        try:
            request, sent, kind = request_of(draft, self.spec.grid, rng)
            reply = self._opened.write(request)
            if not reply.complete:
                raise Damaged("the answer was cut off", f"at {request.max_tokens} tokens")
            turns = read_reply(reply.text, draft, self.spec.grid, sent, kind, rng)
            return [self._record(draft, number, question, answer) for number, (question, answer) in enumerate(turns)]
        except (Damaged, Refused) as error:
            return [(where, error)]

    def _record(self, draft: Draft, number: int, question: str, answer: str) -> Sample:
        """A record of the same picture, split and licence as the one whose picture was asked about."""
        shown, family = draft.sample.record, draft.wanted
        try:
            record = Record(
                id=f"{shown.id}-{draft.family}" + (f"-{number}" if number else ""),
                images=(draft.picture.name,),
                width=shown.width,
                height=shown.height,
                conversations=(Message("human", placeholders(1) + question), Message("gpt", answer)),
                category=family.category,
                family=f"written_{draft.family}",
                source=shown.source,
                domain=shown.domain,
                split=shown.split,
                licence=shown.licence,
                provenance=f"{WRITTEN}{self.spec.model}" + (f"; place: {shown.provenance}" if family.answer == "phrase" else ""),
            )
        except InputError as error:
            raise Damaged("record is refused", str(error)) from error
        return Sample(record, (draft.picture,))
