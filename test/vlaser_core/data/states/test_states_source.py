from __future__ import annotations

import pytest

from vlaser_core.data.source import Damage
from vlaser_core.data.sources import open_source
from vlaser_core.data.states import write_recording
from vlaser_core.data.verify import check
from vlaser_core.errors import InputError


@pytest.fixture
def folder(tmp_path, states):
    for number in range(3):
        write_recording(tmp_path / "widowx_spoon_on_towel" / f"episode-{number:06d}", states.recording())
    return tmp_path


def read(source, seed=0):
    damage = Damage()
    return [sample for unit in source.units() for sample in source.read(unit, damage, seed)], damage


def test_simpler_states_are_asked_the_tabletops_questions(folder):
    source = open_source("simpler", folder)
    assert [(unit.key, unit.items) for unit in source.units()] == [("widowx_spoon_on_towel-00000", 3)]
    samples, damage = read(source)
    assert {sample.record.category for sample in samples} == {"grounding", "qa", "spatial", "planning"}
    assert len(samples) > 80 and all(sample.record.source == "simpler" and sample.record.domain == "widowx, SimplerEnv" for sample in samples)
    for sample in samples:
        question, answer = (message.value for message in sample.record.conversations)
        from vlaser_core.data.phrasing import Turn

        assert check(sample.truth, [Turn(sample.record.family, question, answer)]) == []
    assert set(damage.counts) <= {f"no {category} question has an exact answer" for category in ("grounding", "qa", "spatial", "planning")}


def test_one_damaged_episode_costs_itself_and_changes_no_other(folder):
    whole, _ = read(open_source("simpler", folder))
    path = folder / "widowx_spoon_on_towel" / "episode-000001.npz"
    path.write_bytes(path.read_bytes()[:2000])
    (folder / "widowx_spoon_on_towel" / "episode-000002.json").write_text("{}")
    left, damage = read(open_source("simpler", folder))
    assert damage.counts["recording cannot be read"] == 1 and damage.counts["description does not fit"] == 1
    assert left == [sample for sample in whole if sample.record.id.startswith("000000.")]


def test_names_of_another_simulator_and_folders_without_recordings_are_told(folder, tmp_path):
    with pytest.raises(InputError, match="no <task>/episode-\\*.npz below .*docs/data_sources.md"):
        open_source("robotwin_states", tmp_path / "nothing").units()
