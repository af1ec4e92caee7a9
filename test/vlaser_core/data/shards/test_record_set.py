from __future__ import annotations

import json
import subprocess
import sys

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vlaser_core.data.engine import Part, build
from vlaser_core.data.shards import RecordSet
from vlaser_core.data.shards.reader import CACHED_GROUPS
from vlaser_core.data.shards.schema import RECORDS
from vlaser_core.errors import InputError


def test_random_access_and_reading_in_order_give_the_same(tmp_path, noise):
    build([Part(noise(count=3, items=600), target=1500)], tmp_path / "set", workers=0)
    records = RecordSet(tmp_path / "set")
    assert len(records) == 1500
    in_order = list(records.samples())
    for number in np.random.default_rng(0).permutation(1500)[:200].tolist():
        assert records.sample(number) == in_order[number]
    assert records[-1] == in_order[-1].record and list(records) == [sample.record for sample in in_order]
    with pytest.raises(IndexError, match="record 1500 of 1500"):
        records[1500]


def test_pictures_are_stored_once_and_come_decoded(small_set, noise):
    records = RecordSet(small_set)
    assert sum(unit.pictures for unit in records.index.units) == 16
    (picture,), (encoded,) = records.pictures(5), records.encoded(5)
    assert picture.shape == (24, 32, 3) and picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, cv2.imdecode(np.frombuffer(encoded.data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1])
    assert records.encoded(3)[0] == encoded and records.encoded(2)[0] != encoded


def test_labels_choose_records(small_set):
    records = RecordSet(small_set)
    test, train = records.where(split="test"), records.where(split="train", source="noise")
    assert len(test) + len(train) == 48 and 0 < len(test) < 48
    assert {record.split for record in test} == {"test"} and {train[number].split for number in range(len(train))} == {"train"}
    assert len(records.where(family="another")) == 0
    with pytest.raises(InputError, match="no label colour"):
        records.where(colour="red")


def test_a_set_is_read_in_another_process(small_set):
    # As a data loader does it: the set travels with what was read already, open files stay behind.
    records = RecordSet(small_set)
    records.pictures(3)
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(records.sample, 3).result() == records.sample(3)


def test_reading_holds_no_more_than_its_cache(small_set):
    records = RecordSet(small_set)
    for number in range(48):
        records.sample(number)
    assert len(records._groups) <= CACHED_GROUPS and len(records._files) <= 8


def test_a_flipped_bit_is_an_error_and_not_another_picture(small_set):
    path = small_set / "pictures" / "noise" / "u001.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 4
    path.write_bytes(data)
    with pytest.raises(InputError, match="u001.parquet is damaged"):
        for _ in RecordSet(small_set).samples():
            pass


def test_a_shard_cut_short_is_named(small_set):
    path = small_set / "records" / "noise" / "u002.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="cannot read shard .*u002.parquet"):
        list(RecordSet(small_set))


def test_a_shard_of_another_schema_is_refused_naming_the_column(small_set):
    path = small_set / "records" / "noise" / "u000.parquet"
    table = pq.read_table(path)
    changed = table.set_column(table.schema.get_field_index("width"), "width", table["width"].cast(pa.string()))
    pq.write_table(changed, path)
    with pytest.raises(InputError, match="width is string, expected int32"):
        list(RecordSet(small_set))


def test_a_record_that_breaks_the_rules_is_refused_on_reading(small_set):
    path = small_set / "records" / "noise" / "u000.parquet"
    rows = pq.read_table(path).to_pylist()
    rows[4]["conversations"][1]["value"] = "<point>[[1001, 3]]</point>"
    pq.write_table(pa.Table.from_pylist(rows, RECORDS), path)
    with pytest.raises(InputError, match=r"u000.parquet, row 4: conversations.1.value: grounding is integers 0…1000"):
        list(RecordSet(small_set))


def test_a_folder_that_is_no_complete_set_is_refused(tmp_path, small_set):
    with pytest.raises(InputError, match="holds no records"):
        RecordSet(tmp_path)
    (small_set / "index.json").unlink()
    with pytest.raises(InputError, match="not complete"):
        RecordSet(small_set)
    (small_set / "index.json").write_text(json.dumps({"units": [], "dropped": {}, "format": 99}))
    with pytest.raises(InputError, match="format 99"):
        RecordSet(small_set)


def test_reading_needs_neither_ray_nor_torch(small_set):
    code = f"import sys; from vlaser_core.data.shards import RecordSet; RecordSet({str(small_set)!r}).sample(0); print(sorted({{'ray', 'torch'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
