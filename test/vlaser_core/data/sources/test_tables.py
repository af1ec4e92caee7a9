from __future__ import annotations

import hashlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vlaser_core.data.sources.pixmo_points import PixmoPoints
from vlaser_core.data.sources.robo2vlm import Robo2Vlm
from vlaser_core.errors import InputError


def write_table(path, rows, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path, **options)


def pixmo_row(digest, points, label="red cups", method="pointing", count=None):
    points = [{"x": x, "y": y} for x, y in points]
    return {"image_url": "https://example.org/a.jpg", "image_sha256": digest, "points": points, "count": len(points) if count is None else count,
            "label": label, "collection_method": method}  # fmt: skip


def cached(root, kit, suffix=".jpg", **changes):
    data = kit.picture(**changes)
    digest = hashlib.sha256(data).hexdigest()
    (root / "images").mkdir(parents=True, exist_ok=True)
    (root / "images" / f"{digest}{suffix}").write_bytes(data)
    return digest


def test_pixmo_points_are_percent_and_absence_and_counts_are_said(tmp_path, kit):
    digest = cached(tmp_path, kit, suffix="")
    rows = [pixmo_row(digest, [(25.0, 50.5), (100, 0)]), pixmo_row(digest, []), pixmo_row(digest, [(10, 10)] * 3, method="counting")]
    write_table(tmp_path / "data/train-00000-of-00001.parquet", rows)
    samples, damage = kit.read_all(PixmoPoints(tmp_path))
    assert not damage.counts
    assert kit.answers(samples) == ["<point>[[250, 505], [1000, 0]]</point>", "not visible", "<point>[[100, 100], [100, 100], [100, 100]]</point> 3"]
    assert [sample.record.family for sample in samples] == ["pointing", "pointing", "count"]
    assert "red cups" in samples[0].record.conversations[0].value and (samples[0].record.width, samples[0].record.height) == (40, 30)
    assert samples[0].pictures[0].name == f"pixmo_points/{digest[:2]}/{digest}.jpg"


def test_pixmo_pictures_that_are_missing_or_changed_and_points_outside_are_counted(tmp_path, kit):
    digest = cached(tmp_path, kit)
    changed = "0" * 64
    (tmp_path / "images" / f"{changed}.jpg").write_bytes(kit.picture())
    rows = [pixmo_row("f" * 64, [(1, 1)]), pixmo_row(changed, [(1, 1)]), pixmo_row(digest, [(140.0, 20)]), pixmo_row(digest, [(1, 1)], count=4),
            pixmo_row(digest, [(1, 1)] * 61), pixmo_row(digest, [(1, 1)])]  # fmt: skip
    write_table(tmp_path / "data/train-00000-of-00001.parquet", rows)
    samples, damage = kit.read_all(PixmoPoints(tmp_path))
    assert len(samples) == 1
    assert damage.counts == {
        "picture is missing": 1, "picture is another than labelled": 1, "point outside the picture": 1, "count differs from the points": 1,
        "too many points for an answer": 1,
    }  # fmt: skip


def test_a_picture_fetched_later_does_not_change_the_other_records(tmp_path, kit):
    first, second = cached(tmp_path, kit), cached(tmp_path, kit, colour=(0, 0, 250))
    write_table(tmp_path / "data/train-0.parquet", [pixmo_row(second, [(1, 1)]), *(pixmo_row(first, [(n, n)]) for n in range(8))])
    (tmp_path / "images" / f"{second}.jpg").rename(tmp_path / "away.jpg")
    without, _ = kit.read_all(PixmoPoints(tmp_path))
    (tmp_path / "away.jpg").rename(tmp_path / "images" / f"{second}.jpg")
    with_it, _ = kit.read_all(PixmoPoints(tmp_path))
    assert [sample.record for sample in with_it[1:]] == [sample.record for sample in without]


def vlm_row(kit, right=2, choices="['open', 'closed', \"can't tell\", 'none']", **changes):
    return {"id": "a_q1", "question": "Is the gripper open?", "choices": choices, "correct_answer": right, "image": {"bytes": kit.picture(), "path": None}} | changes


def test_robo2vlm_shuffles_choices_and_keeps_the_right_one(tmp_path, kit):
    rows = [vlm_row(kit) for _ in range(20)]
    write_table(tmp_path / "data/train-00000-of-00262.parquet", rows, row_group_size=8)
    write_table(tmp_path / "data/test-00000-of-00003.parquet", rows[:1])
    samples, damage = kit.read_all(Robo2Vlm(tmp_path))
    assert not damage.counts and len(samples) == 21
    for sample in samples:
        question, answer = (message.value for message in sample.record.conversations)
        assert answer.endswith("can't tell") and f"\n{answer}" in question
    assert len(set(kit.answers(samples))) == 4, "the right letter is not always the same"
    assert [sample.record.split for sample in samples] == ["test", *["train"] * 20]
    assert len({sample.record.images for sample in samples}) == 1, "equal pictures have one name"
    assert kit.answers(kit.read_all(Robo2Vlm(tmp_path))[0]) == kit.answers(samples)


def test_robo2vlm_rows_that_make_no_sense_are_counted(tmp_path, kit):
    rows = [vlm_row(kit, right=7), vlm_row(kit, choices="__import__('os').getcwd()"), vlm_row(kit, image={"bytes": b"", "path": None}), vlm_row(kit)]
    write_table(tmp_path / "data/train-0.parquet", rows)
    samples, damage = kit.read_all(Robo2Vlm(tmp_path))
    assert len(samples) == 1
    assert damage.counts == {"choices do not hold the answer": 1, "row is incomplete": 1, "picture is missing": 1}


@pytest.mark.parametrize("source", [PixmoPoints, Robo2Vlm])
def test_nothing_and_a_damaged_table_are_named(tmp_path, source):
    with pytest.raises(InputError, match="Hugging Face"):
        source(tmp_path).units()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/train-00000.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(InputError, match="train-00000.parquet"):
        source(tmp_path).units()
