from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from vlaser_core.data.clean.duplicates import NearPictures, SameText
from vlaser_core.data.clean.sets import sources_of
from vlaser_core.data.engine import Part, build
from vlaser_core.data.record import Message
from vlaser_core.data.shards import RecordSet
from vlaser_core.data.source import Damage, Picture, Sample, Unit
from vlaser_core.data.stats import stats
from vlaser_core.data.truth import SceneTruth


def saved(number: int, quality: int) -> Picture:
    rng = np.random.default_rng(number)
    image = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize((120, 90), Image.Resampling.BICUBIC)
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Picture(f"{number}-{quality}.jpg", data.getvalue())


@pytest.fixture
def pictured(noise):
    """Units whose pictures are (number, quality) as listed, two records each."""

    class Pictured(noise):
        listed = ([(0, 95), (1, 95), (0, 95)], [(0, 40), (2, 95)], [(1, 30), (0, 95)])

        def units(self) -> list[Unit]:
            return [Unit(self.name, f"u{number}", 2 * len(part)) for number, part in enumerate(self.listed)]

        def read(self, unit: Unit, damage: Damage, seed: int) -> Iterator[Sample]:
            for place, (number, quality) in enumerate(self.listed[int(unit.key[1:])]):
                picture = saved(number, quality)
                for turn in range(2):
                    record = self.record(f"{place}.{turn}", picture.name, 10 * place + turn)
                    record = dataclasses.replace(record, width=120, height=90)
                    yield Sample(record, (picture,), self.truth)

        truth: SceneTruth | None = None

    return Pictured


def test_of_pictures_that_look_alike_the_first_is_kept_with_all_its_records(tmp_path, pictured):
    report = build([Part(pictured(), shuffled=False)], tmp_path / "set", censuses=[NearPictures()], workers=0)
    assert report.dropped == {"near_pictures: a picture like one before": 4}
    # The very same file again is no duplicate picture: its records are further questions about it.
    assert [record.images[0] for record in RecordSet(tmp_path / "set")] == ["0-95.jpg"] * 2 + ["1-95.jpg"] * 2 + ["0-95.jpg"] * 2 + [
        "2-95.jpg"
    ] * 2 + ["0-95.jpg"] * 2


def test_pictures_of_a_simulator_are_compared_only_when_asked_for(tmp_path, pictured):
    source = pictured()
    source.truth = SceneTruth()
    assert not build([Part(source)], tmp_path / "a", censuses=[NearPictures()], workers=0).dropped
    assert build([Part(source)], tmp_path / "b", censuses=[NearPictures(exact=True)], workers=0).dropped


def test_the_same_words_about_the_same_picture_are_kept_once(tmp_path, noise):
    class Repeating(noise):
        def read(self, unit: Unit, damage: Damage, seed: int) -> Iterator[Sample]:
            for sample in super().read(unit, damage, seed):
                question, answer = sample.record.conversations
                yield sample
                loud = Message("human", question.value.upper().replace("<IMAGE>", "<image>").replace(".", " !"))
                yield dataclasses.replace(
                    sample, record=dataclasses.replace(sample.record, id=f"{sample.record.id}-again", conversations=(loud, answer))
                )

    report = build([Part(Repeating())], tmp_path / "set", censuses=[SameText()], workers=0)
    assert report.records == 48 and report.dropped == {"same_text: said before": 48}
    assert not any(record.id.endswith("-again") for record in RecordSet(tmp_path / "set"))


def test_the_same_words_about_other_pictures_are_left_out_only_when_asked_for(tmp_path, noise):
    class Same(noise):
        def record(self, identity: str, image: str, answer: int):
            return super().record(identity, image, 7)

    assert build([Part(Same())], tmp_path / "a", censuses=[SameText()], workers=0).records == 16  # one for each picture
    assert build([Part(Same())], tmp_path / "b", censuses=[SameText(anywhere=True)], workers=0).records == 1


def test_a_set_cleaned_again_is_the_same_set(tmp_path, pictured):
    build([Part(pictured(), shuffled=False)], tmp_path / "set", workers=0)
    for first, second in (("set", "once"), ("once", "twice")):
        parts = [Part(source, settings=source.settings, shuffled=False) for source in sources_of(tmp_path / first)]
        report = build(parts, tmp_path / second, censuses=[NearPictures(), SameText()], workers=0)
    assert report.dropped == {} and report.records == len(RecordSet(tmp_path / "once"))
    assert stats(RecordSet(tmp_path / "once")).digest == stats(RecordSet(tmp_path / "twice")).digest


def test_records_keep_their_ids_units_and_truth_from_set_to_set(tmp_path, noise):
    build([Part(noise()), Part(noise(name="other"))], tmp_path / "set", workers=0)
    parts = [Part(source, settings=source.settings, shuffled=False) for source in sources_of(tmp_path / "set")]
    build(parts, tmp_path / "copy", workers=0)
    assert stats(RecordSet(tmp_path / "set")).digest == stats(RecordSet(tmp_path / "copy")).digest
    assert [part.source.name for part in parts] == ["noise", "other"]


@pytest.mark.slow
def test_two_workers_clean_a_set_as_one_does(tmp_path, pictured):
    pytest.importorskip("ray", reason="workers need the extra `data`")
    build([Part(pictured(), shuffled=False)], tmp_path / "set", workers=0)
    parts = [Part(source, settings=source.settings, shuffled=False) for source in sources_of(tmp_path / "set")]
    censuses = [NearPictures(), SameText()]
    reports = [build(parts, tmp_path / f"{workers}", censuses=censuses, workers=workers) for workers in (0, 2)]
    assert reports[0].dropped == reports[1].dropped
    assert stats(RecordSet(tmp_path / "0")).digest == stats(RecordSet(tmp_path / "2")).digest
