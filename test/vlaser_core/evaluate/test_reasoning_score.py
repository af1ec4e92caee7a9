from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from vlaser_core.data.record import Message, Record
from vlaser_core.data.source import Picture, Sample
from vlaser_core.errors import InputError
from vlaser_core.evaluate import reasoning_score as module
from vlaser_core.evaluate.reasoning_score import score
from vlaser_core.reasoning.generate import Generated

PICTURE = Picture("a.png", cv2.imencode(".png", np.full((48, 64, 3), 90, np.uint8))[1].tobytes())


def sample(number: int, *answers: str, category: str = "qa", family: str = "presence", picture: Picture = PICTURE) -> Sample:
    said = [Message(sender, text) for answer in answers for sender, text in (("human", "Is it?"), ("gpt", answer))]
    record = Record(str(number), (picture.name,), 64, 48, tuple(said), category, family, "s", "d", "test", "l", "p")
    return Sample(record, (picture,))


class Listed(list):
    sample = list.__getitem__


@pytest.fixture
def says_yes(monkeypatch):
    """A model that says yes; the prompts it was given are kept."""
    asked = []

    def generate(model, tokenizer, prompts, max_new_tokens):
        asked.extend((prompt, tokenizer.decode(prompt.ids_T.tolist())) for prompt in prompts)
        return [Generated("yes", (1.0,)) for _ in prompts]

    monkeypatch.setattr(module, "generate", generate)
    return asked


def test_scores_go_by_category_and_family(tiny, says_yes):
    records = Listed([sample(0, "yes"), sample(1, "no"), sample(2, "yes", category="planning", family="feasible")])
    result = score(tiny.model, tiny.tokenizer, records)
    assert (result.overall.questions, result.overall.score) == (3, pytest.approx(2 / 3, abs=1e-4))
    assert (result.categories["qa"].score, result.categories["planning"].score, result.mean_of_categories) == (0.5, 1.0, 0.75)
    assert set(result.families) == {"presence", "feasible"} and result.families["presence"].commonest == 0.5
    assert result.to_json()["categories"]["qa"]["questions"] == 2


def test_every_answer_of_a_conversation_is_asked_after_the_records_own(tiny, says_yes):
    score(tiny.model, tiny.tokenizer, Listed([sample(0, "no", "yes")]))
    first, second = sorted(says_yes, key=lambda asked: len(asked[1]))
    assert second[1].startswith(first[1]) and "no<|im_end|>\n<|im_start|>user\nIs it?" in second[1]
    assert second[1].endswith("<|im_start|>assistant\n") and len(second[0].pixels) == 1


def test_a_question_is_asked_both_ways_of_a_model_that_reads_so(tiny, says_yes, monkeypatch):
    monkeypatch.setattr(tiny.model, "config", dataclasses.replace(tiny.model.config, attention="prefix"))
    score(tiny.model, tiny.tokenizer, Listed([sample(0, "yes")]))
    ((prompt, _),) = says_yes
    assert prompt.both_ways == len(prompt.ids_T)


def test_a_record_that_cannot_be_read_is_counted_and_no_other_takes_its_place(tiny, says_yes):
    records = Listed([sample(0, "yes"), sample(1, "yes", picture=Picture("b.png", b"no picture"))])
    result = score(tiny.model, tiny.tokenizer, records)
    assert (result.records, result.overall.questions, result.left_out) == (1, 1, {"cannot be read": 1})
    assert "b.png" in result.examples["cannot be read"]
    with pytest.raises(InputError, match="none of 1 records"):
        score(tiny.model, tiny.tokenizer, Listed([records[1]]))


def test_which_records_are_asked_follows_the_seed(tiny, says_yes):
    records = Listed([sample(k, "yes" if k % 3 else "no") for k in range(30)])
    drawn = [score(tiny.model, tiny.tokenizer, records, limit=10, seed=seed).overall for seed in (0, 0, 1, 2)]
    assert drawn[0] == drawn[1] and len({tally.score for tally in drawn}) > 1 and drawn[0].questions == 10


def test_a_real_model_is_scored_the_same_in_any_batch(tiny):
    records = Listed([sample(k, "yes", "no") for k in range(3)])
    results = [score(tiny.model, tiny.tokenizer, records, batch=size) for size in (1, 4)]
    assert results[0].overall == results[1].overall
