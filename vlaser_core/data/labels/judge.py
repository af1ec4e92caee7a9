"""The stage that has records scored 1 to 3 against a rubric and keeps those of certain scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.labels.answers import parse_score
from vlaser_core.data.labels.chat import Refused, Request
from vlaser_core.data.labels.coordinates import in_model_words
from vlaser_core.data.labels.families import Families, filled
from vlaser_core.data.labels.ordered import in_order
from vlaser_core.data.labels.spec import Opened, WriterSpec
from vlaser_core.data.labels.write import REFUSED_AT_ONCE, WRITTEN
from vlaser_core.data.source import Damage, Sample, Unit, qualified_id
from vlaser_core.errors import InputError
from vlaser_core.reasoning.prompts import IMAGE_PLACEHOLDER

SCORES = (1, 2, 3)
UNREADABLE = 0  # stands for a reply that holds no score
MAX_TOKENS = 64


@dataclass
class Judge:
    """keep: scores that go on; UNREADABLE among them keeps what got none. written: only records that a model wrote are judged,
    the others go on as they are. spec, prompts, cache, ends: as for WriteLabels.

    A score is added to the record's provenance. A record without a picture, or of category `simulation`, has no rubric and goes on.
    """

    spec: WriterSpec
    prompts: Families
    cache: Path
    keep: tuple[int, ...] = (2, 3)
    written: bool = True
    ends: float | None = None
    name: str = "judge"
    _opened: Opened = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.keep or set(self.keep) - {UNREADABLE, *SCORES}:
            raise InputError(f"expected scores to keep out of {', '.join(map(str, SCORES))}, got {self.keep}")
        self._opened = Opened(self.spec, self.cache, self.ends)

    @property
    def settings(self) -> dict[str, str | int | float | bool]:
        return {
            **self.spec.settings,
            "prompts": self.prompts.digest,
            "keep": ", ".join(map(str, sorted(self.keep))),
            "written": self.written,
        }

    def apply(self, unit: Unit, samples: Iterator[Sample], dropped: Damage, seed: int) -> Iterator[Sample]:
        refused = judged = 0
        for sample, score in in_order(self._jobs(samples), self.spec.concurrency):
            where = qualified_id(unit, sample.record.id)
            if isinstance(score, Damaged):
                dropped.skip(f"{where} ({score})", score.reason)
                continue
            if isinstance(score, Refused):
                refused += 1
                if refused == REFUSED_AT_ONCE and not judged:
                    raise InputError(f"{self.spec.model} refused the first {refused} requests: {score}")
                dropped.skip(f"{where} ({score})", "the model refused the request")
                continue
            judged += score is not None
            if score is None:
                yield sample
            elif score in self.keep:
                told = "unreadably" if score == UNREADABLE else str(score)
                provenance = f"{sample.record.provenance}; judged {told} by {self.spec.model}"
                yield dataclasses.replace(sample, record=dataclasses.replace(sample.record, provenance=provenance))
            else:
                dropped.skip(where, "no score can be read in the reply" if score == UNREADABLE else f"score {score}")

    def _jobs(self, samples: Iterator[Sample]) -> Iterator[Callable[[], tuple[Sample, int | Damaged | Refused | None]]]:
        for sample in samples:
            yield partial(self._judge, sample)

    def _judge(self, sample: Sample) -> tuple[Sample, int | Damaged | Refused | None]:
        record = sample.record
        if (
            (self.written and not record.provenance.startswith(WRITTEN))
            or not sample.pictures
            or record.category not in self.prompts.rubrics
        ):
            return sample, None
        try:
            reply = self._opened.write(self._request(sample))
        except (Damaged, Refused) as error:
            return sample, error
        return sample, parse_score(reply.text) or UNREADABLE

    def _request(self, sample: Sample) -> Request:
        grid = self.spec.grid
        sent = [grid.prepare(picture) for picture in sample.pictures]
        lines = []
        for message in sample.record.conversations:
            said = message.value.replace(IMAGE_PLACEHOLDER, "").strip()
            said = in_model_words(said, grid, sent[0])
            lines.append(f"{'Question' if message.sender == 'human' else 'Answer'}: {said}")
        places = grid.told(sent[0]).replace("Give x and y", "Coordinates are x and y").replace("Give x", "Coordinates are x")
        prompt = filled(
            self.prompts.judge, rubric=self.prompts.rubrics[sample.record.category], places=places, conversation="\n".join(lines)
        )
        return Request(prompt, tuple(each.picture for each in sent), "", 0.0, MAX_TOKENS, 0)
