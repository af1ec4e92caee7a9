from __future__ import annotations

import json

import numpy as np
import pytest

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.sources.items import list_ranges, list_spans, member_spans, read_range, read_span
from vlaser_core.errors import InputError

ITEMS = [{"id": index, "text": 'brackets ] } [ { and "quotes" \\ and ü', "deep": [{"a": [1, {}]}]} for index in range(7)]


@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_is_cut_where_items_end_whatever_their_texts_hold(tmp_path, indent):
    path = tmp_path / "list.json"
    path.write_text(json.dumps(ITEMS, indent=indent, ensure_ascii=False), encoding="utf-8")
    ranges = list(list_ranges(path, 3))
    assert [count for _, _, count in ranges] == [3, 3, 1]
    assert [item for start, end, _ in ranges for _, item in read_range(path, start, end)] == ITEMS


def test_members_of_a_coco_file_are_found_in_any_order_and_not_inside_of_others(tmp_path):
    path = tmp_path / "coco.json"
    content = {"info": {"images": [{"no": 1}]}, "annotations": ITEMS, "empty": [], "images": [{"id": 5}], "note": "images"}
    path.write_text(json.dumps(content))
    found = member_spans(path, ("images", "annotations", "empty"))
    assert [len(found[name]) for name in ("images", "annotations", "empty")] == [1, 7, 0]
    spans = found["annotations"]
    assert [read_span(path, *span) for span in zip(spans.starts, spans.ends, strict=True)] == ITEMS
    with pytest.raises(InputError, match="attributes"):
        member_spans(path, ("images", "attributes"))


def test_an_item_that_is_no_json_and_a_file_that_is_cut_off_cost_one_item_each(tmp_path):
    path = tmp_path / "list.json"
    path.write_text('[{"id": 0}, {"id": oops}, {"id": 2}, {"id": 3, "text": [1,')
    ((start, end, count),) = list_ranges(path, 10)
    found = [item for _, item in read_range(path, start, end)]
    assert count == 4 and found[0] == {"id": 0} and found[2] == {"id": 2}
    assert isinstance(found[1], Damaged) and found[1].reason == "item is not JSON"
    assert isinstance(found[3], Damaged) and found[3].reason == "file is cut off"


def test_another_file_is_refused(tmp_path):
    for content in ('{"a": 1}', ""):
        path = tmp_path / "other.json"
        path.write_text(content)
        with pytest.raises(InputError, match=r"other\.json"):
            list_spans(path)


def test_ranges_of_a_random_list_give_every_item_once(tmp_path):
    rng = np.random.default_rng(3)
    items = [{"k": "x" * int(rng.integers(50)) + '"}]{[' * int(rng.integers(3)), "n": list(range(int(rng.integers(5))))} for _ in range(200)]
    path = tmp_path / "list.json"
    path.write_text(json.dumps(items, indent=int(rng.integers(1, 4))))
    for size in (1, 7, 1000):
        assert [item for start, end, _ in list_ranges(path, size) for _, item in read_range(path, start, end)] == items
