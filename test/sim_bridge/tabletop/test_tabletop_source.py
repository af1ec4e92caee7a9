from __future__ import annotations

import cv2
import numpy as np
import pytest

from sim_bridge import simulated
from sim_bridge.tabletop.source import TabletopSource
from sim_bridge.tabletop.tasks import TASKS
from vlaser_core.data.engine import Part, build
from vlaser_core.data.families import CATEGORY
from vlaser_core.data.shards import RecordSet
from vlaser_core.data.source import Damage
from vlaser_core.data.stats import stats
from vlaser_core.data.verify import verify
from vlaser_core.errors import InputError


@pytest.fixture(autouse=True)
def small_units(monkeypatch):
    monkeypatch.setattr(simulated, "PICTURES_A_UNIT", 4)


def test_a_set_of_all_tasks_and_categories_is_borne_out_by_its_truth(tmp_path):
    source = TabletopSource(64, seed=5, renderer="rays", size=(224, 224))
    report = build([Part(source, 64, source.settings, shuffled=False)], tmp_path, workers=0)
    records = RecordSet(tmp_path)
    assert report.records == len(records) == 64
    assert {record.category for record in records} == set(CATEGORY.values())
    assert {records.truth(number).task for number in range(64)} == set(TASKS)
    found = verify(records)
    assert found.disagreements == 0 and sum(found.checked.values()) == 64 and found.without_truth == 0


def test_a_scene_depends_on_its_seed_and_number_alone(tmp_path):
    # The second source's world has drawn another unit before, and lists more.
    one, two, other = (TabletopSource(records, seed, "rays", (64, 48)) for records, seed in ((16, 1), (200, 1), (16, 2)))
    unit = one.units()[1]
    assert unit in two.units() and unit not in other.units()
    for _ in two.read(two.units()[4], Damage(), 0):
        pass
    first, second = (list(source.read(unit, Damage(), 0)) for source in (one, two))
    assert first == second
    assert len({sample.pictures[0].data for sample in first}) == 4


def test_the_picture_is_the_scene_that_was_asked_about():
    source, looked_at = TabletopSource(64, 3, "rays"), 0
    for unit in source.units()[:2]:  # a green spoon, an orange carrot
        for sample in source.read(unit, Damage(), 0):
            picture = cv2.imdecode(np.frombuffer(sample.pictures[0].data, np.uint8), cv2.IMREAD_COLOR)
            assert picture.shape == (240, 320, 3) and (sample.record.width, sample.record.height) == (320, 240)
            thing = sample.truth.object(sample.truth.source)
            if thing.visible_fraction > 0.8:
                blue, green, red = picture[int(thing.point[1] * 0.24), int(thing.point[0] * 0.32)].astype(int)
                assert max(red, blue) < green if thing.colour == "green" else blue < red - 30
                looked_at += 1
    assert looked_at > 8


def test_larger_sets_begin_like_smaller_ones():
    few, many = TabletopSource(40, 1, "rays").units(), TabletopSource(400, 1, "rays").units()
    assert list(few) == list(many)[: len(few)] and sum(unit.items for unit in few) > 40


def test_two_seeds_can_be_merged(tmp_path):
    from vlaser_core.data.export import merge

    for seed in (1, 2):
        source = TabletopSource(16, seed, "rays", (64, 48))
        build([Part(source, 16, source.settings, shuffled=False)], tmp_path / str(seed), seed, workers=0)
    assert merge([tmp_path / "1", tmp_path / "2"], tmp_path / "both") == 32
    assert stats(RecordSet(tmp_path / "both")).records == 32


def test_no_records_is_no_source():
    with pytest.raises(InputError, match="at least 1 record"):
        TabletopSource(0)
