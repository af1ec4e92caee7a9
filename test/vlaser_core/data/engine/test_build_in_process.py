from __future__ import annotations

import dataclasses
import errno
import fcntl
import os
import socket
from collections.abc import Iterable, Iterator

import pytest

from vlaser_core.data.engine import Part, build
from vlaser_core.data.shards import RecordSet
from vlaser_core.data.shards import files as shard_files
from vlaser_core.data.source import Damage, Sample, Unit
from vlaser_core.data.stats import stats
from vlaser_core.errors import InputError


def digest(folder) -> str:
    return stats(RecordSet(folder)).digest


def test_ids_are_unique_across_units_and_name_where_a_record_came_from(small_set):
    ids = [record.id for record in RecordSet(small_set)]
    assert len(set(ids)) == 48 and "noise/u002/5" in ids


def test_a_seed_decides_the_content(tmp_path, noise):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        build([Part(noise())], tmp_path / name, seed, workers=0)
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")


def test_a_target_is_met_exactly_and_only_the_units_it_needs_are_read(tmp_path, noise):
    report = build([Part(noise(count=50), target=30)], tmp_path / "set", workers=0)
    assert report.records == len(RecordSet(tmp_path / "set")) == 30
    assert report.written == 3 and report.dropped == {"beyond the target": 6} and not report.short


def test_units_of_unknown_size_reach_the_target_too(tmp_path, noise):
    class Unsized(noise):
        def units(self) -> list[Unit]:
            return [dataclasses.replace(unit, items=0) for unit in super().units()]

    report = build([Part(Unsized(count=50), target=30)], tmp_path / "set", workers=0)
    assert report.records == 30 and report.written == 3


def test_a_source_that_ends_before_the_target_is_told(tmp_path, noise):
    report = build([Part(noise(), target=60)], tmp_path / "set", workers=0)
    assert report.records == 48 and report.short == {"noise": 12}


def test_more_records_of_the_same_build_reuse_what_is_there(tmp_path, noise):
    source = noise(count=50)
    build([Part(source, target=30)], tmp_path / "grown", workers=0)
    grown = build([Part(source, target=70)], tmp_path / "grown", workers=0)
    fresh = build([Part(source, target=70)], tmp_path / "fresh", workers=0)
    assert grown.resumed == 3 and grown.written == 3
    assert (grown.records, grown.pictures) == (fresh.records, fresh.pictures)
    # Each unit's file says how many seconds it took, in as many digits as that has.
    assert abs(grown.bytes - fresh.bytes) <= 20 * (fresh.resumed + fresh.written)
    assert digest(tmp_path / "grown") == digest(tmp_path / "fresh")


def test_going_on_with_another_build_is_refused(tmp_path, noise):
    build([Part(noise(), target=30)], tmp_path / "set", seed=1, workers=0)
    with pytest.raises(InputError, match="seed was 1, now 2"):
        build([Part(noise(), target=30)], tmp_path / "set", seed=2, workers=0)
    with pytest.raises(InputError, match="30 records of noise, now 20"):
        build([Part(noise(), target=20)], tmp_path / "set", seed=1, workers=0)
    with pytest.raises(InputError, match="12 items and has 15 now"):
        build([Part(noise(items=15), target=30)], tmp_path / "set", seed=1, workers=0)
    with pytest.raises(InputError, match="settings"):
        build([Part(noise(), 30, {"renderer": "rays"})], tmp_path / "set", seed=1, workers=0)


def test_two_builds_do_not_write_to_one_folder(tmp_path, noise):
    (tmp_path / "set").mkdir()
    with (tmp_path / "set" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another build"):
            build([Part(noise())], tmp_path / "set", workers=0)


def test_what_is_damaged_is_counted_and_nothing_takes_its_place(tmp_path, noise):
    report = build([Part(noise(damaged=4))], tmp_path / "set", workers=0)
    assert report.records == 36 and report.left_out == {"noise": {"broken": 12}}
    assert "u001, item 3" in report.examples["noise"]["broken"] and "noise/u001/3" not in [
        record.id for record in RecordSet(tmp_path / "set")
    ]


class _Odd:
    """A stage that keeps odd numbers, says each twice and counts the rest."""

    name, settings = "odd", {"version": 1}

    def apply(self, unit: Unit, samples: Iterator[Sample], dropped: Damage, seed: int) -> Iterator[Sample]:
        for sample in samples:
            if int(sample.record.id) % 2 == 0:
                dropped.skip(sample.record.id, "even")
                continue
            for suffix in ("", "-again"):
                yield dataclasses.replace(sample, record=dataclasses.replace(sample.record, id=sample.record.id + suffix))


def test_a_stage_changes_adds_and_drops_with_its_reasons(tmp_path, noise):
    report = build([Part(noise())], tmp_path / "set", workers=0, stages=[_Odd()])
    assert report.records == 48 and report.left_out == {"odd": {"even": 24}}
    assert {record.id.rsplit("/")[-1] for record in RecordSet(tmp_path / "set")} == {
        f"{n}{s}" for n in range(1, 12, 2) for s in ("", "-again")
    }


class _SameSplit:
    """A census that keeps the first record of each picture."""

    name, settings = "one_a_picture", {}

    def key(self, sample: Sample) -> bytes:
        return sample.pictures[0].data[-40:] if sample.record.split == "train" else b""

    def drop(self, keys: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, str]]:
        seen = set()
        for identity, key in keys:
            if key in seen:
                yield identity, "seen before"
            seen.add(key)


def test_a_census_decides_over_all_units_and_the_target_is_still_met(tmp_path, noise):
    source = noise(count=40)
    report = build([Part(source, target=100)], tmp_path / "set", workers=0, censuses=[_SameSplit()])
    records = RecordSet(tmp_path / "set")
    assert len(records) == report.records == 100 and report.dropped["one_a_picture: seen before"] > 20
    train = [(records.unit(number), records[number].images) for number in range(100) if records[number].split == "train"]
    assert len(set(train)) == len(train)
    # What was left out stands in no other order or number when it is decided again.
    assert build([Part(source, target=100)], tmp_path / "again", workers=0, censuses=[_SameSplit()]).dropped == report.dropped
    assert digest(tmp_path / "again") == digest(tmp_path / "set")


def test_a_full_disk_is_named_and_the_next_run_goes_on(tmp_path, noise, monkeypatch):
    calls = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 12:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shard_files.os, "fsync", full)
    with pytest.raises(InputError, match="no space left below .* while writing unit noise/"):
        build([Part(noise())], tmp_path / "set", workers=0)
    monkeypatch.undo()
    assert not list((tmp_path / "set").rglob("*~*"))
    with pytest.raises(InputError, match="run the same `vlaser data build` again"):
        RecordSet(tmp_path / "set")
    report = build([Part(noise())], tmp_path / "set", workers=0)
    assert report.records == 48 and report.resumed > 0 and report.written == 4 - report.resumed


def test_a_source_that_fails_is_named_with_its_unit_and_place(tmp_path, noise):
    class Failing(noise):
        def read(self, unit: Unit, damage: Damage, seed: int) -> Iterator[Sample]:
            yield from super().read(unit, damage, seed)
            raise ZeroDivisionError("of nothing")

    with pytest.raises(InputError, match=r"unit noise/u\d+: ZeroDivisionError: of nothing \(test_build_in_process.py:\d+ in read\)"):
        build([Part(Failing())], tmp_path / "set", workers=0)
    assert not (tmp_path / "set" / "records").exists() and not list((tmp_path / "set").rglob("*~*"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 33}, "states 33 × 24, its picture is 32 × 24"),
        ({"images": ("other.png",)}, "its images are"),
        ({"id": "same"}, "occurs twice in a unit"),
    ],
)
def test_a_sample_that_contradicts_itself_is_refused(tmp_path, noise, change, message):
    class Wrong(noise):
        def read(self, unit: Unit, damage: Damage, seed: int) -> Iterator[Sample]:
            for sample in super().read(unit, damage, seed):
                yield dataclasses.replace(sample, record=dataclasses.replace(sample.record, **change))

    with pytest.raises(InputError, match=message):
        build([Part(Wrong())], tmp_path / "set", workers=0)


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "ü"])
def test_names_that_fit_no_file_are_refused(tmp_path, noise, name):
    with pytest.raises(InputError, match="fits no file"):
        build([Part(noise(name=name))], tmp_path / "set", workers=0)


def test_a_write_that_is_interrupted_leaves_no_file_that_looks_done(tmp_path, noise, monkeypatch):
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    monkeypatch.setattr(type(tmp_path), "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        build([Part(noise())], tmp_path / "set", workers=0)
    assert not list((tmp_path / "set").rglob("*.parquet")) and not (tmp_path / "set" / "index.json").exists()


def test_a_cluster_that_is_not_there_is_told_at_once(tmp_path, noise):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(InputError, match=f"no Ray cluster at {address}: Connection refused"):
            build([Part(noise())], tmp_path / "set", workers=1, address=address)
