from __future__ import annotations

from collections import Counter

import pytest
import yaml

from vlaser_core.data.engine import Part, build
from vlaser_core.data.mix import Mixture, load_plan, plan_path
from vlaser_core.data.shards import RecordSet
from vlaser_core.errors import ConfigError, InputError


@pytest.fixture
def sets(tmp_path, noise) -> tuple[RecordSet, RecordSet]:
    for name, count in (("large", 8), ("small", 1)):
        build([Part(noise(count=count, name=name))], tmp_path / name, workers=0)
    return RecordSet(tmp_path / "large"), RecordSet(tmp_path / "small")


def test_the_six_million_are_the_papers():
    plan = load_plan(plan_path("vlaser_6m"))
    assert plan.categories() == {"grounding": 1_800_000, "qa": 1_200_000, "spatial": 500_000, "planning": 400_000, "simulation": 2_000_000}
    records = {share.source: share.records for share in plan.shares}
    assert records["sa1b"] == 300_000 and records["scannet"] == 100_000


def test_the_plan_states_each_licence_as_its_reader_does(tmp_path):
    from sim_bridge.sources import open_source

    for share in load_plan(plan_path("vlaser_6m")).shares:
        assert share.licence == open_source(share.source, tmp_path, 1).licence, share.source


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"records": 0}, "at least 1"),
        ({"records": "many"}, "shares.0.records"),
        ({"weight": -1.0}, "weight above 0"),
        ({"category": "poetry"}, "shares.0.category"),
        ({"colour": "red"}, "shares.0.colour"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_with_file_and_field(tmp_path, change, message):
    share = {"source": "robopoint", "category": "grounding", "records": 5, "licence": "MIT"} | change
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump({"name": "test", "shares": [share]}))
    with pytest.raises(ConfigError, match=f"plan.yaml.*{message}"):
        load_plan(path)


def test_a_plan_names_a_source_once_and_exists(tmp_path):
    share = {"source": "robopoint", "category": "grounding", "records": 5, "licence": "MIT"}
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump({"name": "test", "shares": [share, share]}))
    with pytest.raises(ConfigError, match="each source once"):
        load_plan(tmp_path / "plan.yaml")
    with pytest.raises(ConfigError, match="no plan 'other'; known: .*vlaser_6m"):
        plan_path("other")
    with pytest.raises(ConfigError, match="cannot read plan"):
        load_plan(tmp_path / "none.yaml")


def test_a_mixture_gives_every_set_its_share_and_every_record_its_turn(sets):
    large, small = sets
    mixture = Mixture([(large, 1.0), (small, 4.0)], seed=1)  # 96 : 48
    drawn = [mixture[draw] for draw in range(3000)]
    counts = Counter(records is large for records, _ in drawn)
    assert counts == {True: 2000, False: 1000}
    seen = Counter(number for records, number in drawn if records is large)
    assert set(seen) == set(range(96)) and max(seen.values()) - min(seen.values()) <= 1


def test_a_draw_depends_on_nothing_but_its_number_and_the_seed(sets):
    first, again, other = (Mixture([(records, 1.0) for records in sets], seed) for seed in (1, 1, 2))
    draws = [7, 2500, 3, 1001, 999]
    assert [first[draw] for draw in draws] == [again[draw] for draw in reversed(draws)][::-1]
    assert [first[draw] for draw in range(50)] != [other[draw] for draw in range(50)]


def test_a_set_too_small_for_one_draw_in_a_block_still_gets_its_turns(sets):
    large, small = sets
    mixture = Mixture([(large, 1.0), (small, 0.002)], seed=1)  # 1 in 4001
    assert sum(mixture[draw][0] is small for draw in range(20_000)) == 4


def test_a_mixture_of_nothing_is_refused(sets):
    with pytest.raises(InputError, match="weights above 0"):
        Mixture([(sets[0], 0.0)])
    with pytest.raises(InputError, match="hold records"):
        Mixture([])
