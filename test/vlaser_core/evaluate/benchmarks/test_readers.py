"""The fixtures are in the published layouts; each reader finds every question, its pictures and its truth in them."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.robot.tfrecord import write_record
from vlaser_core.data.source import Damage
from vlaser_core.errors import InputError
from vlaser_core.evaluate.benchmarks.catalogue import benchmarks
from vlaser_core.evaluate.benchmarks.erqa import Erqa, interleaved
from vlaser_core.evaluate.benchmarks.fixtures.choices import example
from vlaser_core.evaluate.benchmarks.fixtures.drawing import TABLE, encoded, mask, scene, write
from vlaser_core.evaluate.benchmarks.paco import SCRIPT, PacoLvis
from vlaser_core.evaluate.benchmarks.pixmo import PixmoPoints
from vlaser_core.evaluate.benchmarks.places import VLASER_PREFIX
from vlaser_core.evaluate.benchmarks.point_bench import PointBench
from vlaser_core.evaluate.benchmarks.question import METRICS, Absent, Judged, Settings
from vlaser_core.evaluate.benchmarks.refspatial import RefSpatial
from vlaser_core.evaluate.benchmarks.vlabench import VlaBench
from vlaser_core.evaluate.benchmarks.vsi import Vsi
from vlaser_core.evaluate.benchmarks.where2place import LEFT_OUT, Where2Place

QUESTIONS = {
    "erqa": 3,
    "egoplan_bench2": 2,
    "where2place": 2,
    "point_bench": 5,
    "paco_lvis": 2,
    "pixmo_points": 2,
    "vsi_bench": 10,
    "refspatial_bench": 4,
    "mmsi_bench": 2,
    "vlabench": 6,
}
FEW = Settings(frames=3)


def read(benchmark, folder):
    damage = Damage()
    return list(benchmark.questions(folder, damage)), damage


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_perfect_model_has_a_perfect_score(root, perfect, name):
    (benchmark,) = benchmarks([name], FEW)
    questions, damage = read(benchmark, root / name)
    assert len(questions) == QUESTIONS[name] and not damage.counts
    assert len({question.id for question in questions}) == len(questions)
    for metric in METRICS:
        judged = [Judged(q.id, q.group, benchmark.judge(q.truth(), perfect(q.truth()), metric)) for q in questions]
        value = benchmark.score(judged, metric).value
        # VLABench's own total has 80 of 100 for a perfect answer.
        assert value == pytest.approx(0.8 if (name, metric) == ("vlabench", "upstream") else 1.0, abs=0.01)
        silent = [benchmark.judge(q.truth(), "I cannot tell.", metric) for q in questions]
        assert all(verdict.score == 0 and verdict.fault for verdict in silent)


@pytest.mark.parametrize("name", QUESTIONS)
def test_an_absent_benchmark_is_named_with_how_to_get_it(tmp_path, name):
    (benchmark,) = benchmarks([name])
    with pytest.raises(Absent, match=rf"{benchmark.title}.*{tmp_path}.*put|{benchmark.title}.*clone"):
        read(benchmark, tmp_path)


def test_pictures_stand_where_the_question_has_them(root):
    questions, _ = read(Erqa(), root / "erqa")
    assert [len(question.pictures()) for question in questions] == [1, 2, 1]
    assert "<image>" not in questions[0].prompt
    assert questions[1].prompt.startswith("In the first picture <image>\n there are shapes. In the second picture <image>\n there is one.")
    assert interleaved("abc", [3, 1]) == "a<image>\nbc<image>\n" and interleaved("abc", [9, 1]) == "a<image>\nbc<image>\n"
    assert interleaved("abc", [0, 0]) == interleaved("abc", []) == "abc"


def test_erqa_also_as_a_table(tmp_path):
    data = encoded(scene())
    rows = {"question_id": ["ERQA_0"], "question": ["Left? Choices: A. yes B. no"], "answer": ["A"], "question_type": ["Other"], "visual_indices": [[0]], "images": [[{"bytes": data, "path": None}]]}
    (tmp_path / "data").mkdir()
    pq.write_table(pa.table(rows), tmp_path / "data" / "test-00000-of-00001.parquet")
    questions, damage = read(Erqa(), tmp_path)
    assert questions[0].pictures()[0].data == data and questions[0].truth() == "A" and not damage.counts


def test_a_damaged_record_costs_itself_alone(tmp_path):
    good = example("Left? A. yes B. no", "A", "Other", [encoded(scene())], [0])
    broken = bytearray(write_record(good))
    broken[20] ^= 1
    lacking = example("Left? A. yes B. no", "", "Other", [encoded(scene())], [0])
    uneven = example("Left? A. yes B. no", "A", "Other", [encoded(scene())], [0, 4])
    blind = example("Left? A. yes B. no", "A", "Other", [], [])
    (tmp_path / "erqa.tfrecord").write_bytes(bytes(broken) + b"".join(map(write_record, (lacking, uneven, blind, good))))
    questions, damage = read(Erqa(), tmp_path)
    assert len(questions) == 1
    assert set(damage.counts) == {"record checksum is wrong", "answer is empty or no text", "pictures and their places differ in number", "a picture is missing"}


def test_frames_are_those_that_the_benchmark_names(root):
    from vlaser_core.data.shards.reader import decode
    from vlaser_core.evaluate.benchmarks.egoplan2 import EgoPlan2

    questions, _ = read(EgoPlan2(), root / "egoplan_bench2")
    pictures = [decode(picture) for picture in questions[1].pictures()]
    assert [picture.name.rpartition("/")[2] for picture in questions[1].pictures()] == [f"{number:06d}.png" for number in (0, 3, 6, 9, 13, 16, 19, 23)]
    # The red circle goes from left to right.
    places = [np.argwhere((picture[..., 0] > 150) & (picture[..., 1] < 110))[:, 1].mean() for picture in pictures]
    assert places == sorted(places) and places[-1] - places[0] > 60


def test_a_video_that_is_missing_broken_or_too_short_is_damaged(root, tmp_path):
    from vlaser_core.evaluate.benchmarks.egoplan2 import EgoPlan2

    folder = tmp_path / "egoplan"
    shutil.copytree(root / "egoplan_bench2", folder)
    items = json.loads((folder / "EgoPlan-Bench2.json").read_text())
    items[0]["current_observation_frame"] = 400
    items.append({**items[1], "sample_id": "gone_0"})
    items.append({key: value for key, value in items[1].items() if key != "choice_c"})
    items.append({**items[1], "golden_choice_idx": "E"})
    (folder / "EgoPlan-Bench2.json").write_text(json.dumps(items))
    questions, damage = read(EgoPlan2(), folder)
    assert dict(damage.counts) == {"a field is missing: choice_c": 1, "the right choice is none of A, B, C, D": 1}
    for place, reason in ((0, "a video has no such frame"), (2, "a video is missing")):
        with pytest.raises(Damaged, match=reason):
            questions[place].pictures()
    video = next((folder / "Ego4D" / "v1_288p").iterdir())
    video.write_bytes(video.read_bytes()[:300])
    with pytest.raises(Damaged, match="a video cannot be read"):
        questions[1].pictures()


def test_the_eight_tasks_of_vsi_count_alike_and_directions_are_one():
    benchmark, judged = Vsi(), []

    def add(kind, *answers):
        for right, text in answers:
            judged.append(Judged(str(len(judged)), kind, benchmark.judge(right, text, "upstream")))

    add("object_counting", (("number", 4.0), "4"), (("number", 4.0), "4"), (("number", 4.0), "4"))
    add("object_rel_direction_easy", (("choice", "A"), "A"))
    add("object_rel_direction_hard", (("choice", "A"), "B"))
    # Counting 1, direction (1 + 0) / 2, and neither weighs by its questions.
    assert benchmark.score(judged, "upstream").value == pytest.approx(0.75)


def test_vsi_reads_numbers_and_letters_as_its_code_and_as_a_person():
    benchmark = Vsi()
    assert benchmark.judge(("number", 3.0), "There are 3.", "upstream").score == 0 and benchmark.judge(("number", 3.0), "There are 3.", "corrected").score == 1
    assert benchmark.judge(("choice", "A"), "A) left", "upstream").score == 0 and benchmark.judge(("choice", "A"), "A) left", "corrected").score == 1
    assert benchmark.judge(("choice", "A"), "a. left", "upstream").score == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ground_truth": "0"}, "the right answer is no number above 0"),
        ({"ground_truth": None}, "a field is missing: ground_truth"),
        ({"question_type": "colour"}, "question_type is unknown"),
        ({"question_type": "route_planning"}, "a field is missing: options"),
        ({"question": " "}, "question is empty or no text"),
    ],
)
def test_a_vsi_line_with_a_wrong_field_is_named(root, tmp_path, change, reason):
    line = json.loads((root / "vsi_bench" / "test.jsonl").read_text().splitlines()[0])
    (tmp_path / "test.jsonl").write_text(json.dumps({**line, **change}) + "\n{broken\n")
    questions, damage = read(Vsi(FEW), tmp_path)
    assert not questions and dict(damage.counts) == {reason: 1, "a line is no JSON object": 1}


def test_a_table_without_a_column_is_refused_by_name(tmp_path):
    pq.write_table(pa.table({"id": [0], "question": ["?"], "answer": ["A"], "images": [[b""]]}), tmp_path / "MMSI_Bench.parquet")
    (benchmark,) = benchmarks(["mmsi_bench"])
    with pytest.raises(InputError, match="no column question_type"):
        read(benchmark, tmp_path)
    (tmp_path / "MMSI_Bench.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match="cannot read.*fetch it again"):
        read(benchmark, tmp_path)


def test_places_are_asked_for_in_vlasers_words_or_the_benchmarks(root):
    own, _ = read(Where2Place(Settings("benchmark")), root / "where2place")
    ours, _ = read(Where2Place(), root / "where2place")
    assert own[1].prompt.startswith("Please point out several points on the green circle. Your answer should be formatted as a list of tuples")
    assert ours[1].prompt == f"{VLASER_PREFIX} Please point out several points on the green circle."


def test_where2place_scores_tuples_as_robopoint_does():
    benchmark = Where2Place(Settings("benchmark"))
    grey = np.zeros((480, 640), np.uint8)
    grey[:, 320:] = 255
    grey[:, 319] = 51  # a smeared edge
    judge = lambda text: benchmark.judge(grey, text, "upstream")  # noqa: E731
    assert judge("[(0.75, 0.5), (0.25, 0.5)]").score == 0.5
    assert judge("(319, 10)").score == pytest.approx(0.2)  # whole numbers are pixels, and the mask is grey
    assert judge("(0.25, 0.0, 0.75, 1.0)").score == pytest.approx((320 * 0 + 160 + 0.2) / 320, abs=0.01)  # a box is filled with points
    left_out = judge("(1, 0.2, 0.5, 0.9)")
    assert left_out.weight == 0 and left_out.fault == LEFT_OUT
    assert benchmark.judge(grey, "(1, 0.2, 0.5, 0.9)", "corrected").weight == 1
    # Left out of the mean upstream, wrong in the corrected one.
    judged = [Judged("a", "g", judge("(0.75, 0.5)")), Judged("b", "g", left_out)]
    assert benchmark.score(judged, "upstream").value == 1.0
    # Another size than 640 × 480 is scaled wrong upstream.
    small = grey[::2, ::2]
    assert benchmark.judge(small, "(0.75, 0.5)", "upstream").score == 0 and benchmark.judge(small, "(0.75, 0.5)", "corrected").score == 1


def test_point_bench_counts_and_takes_the_first_point():
    benchmark, covered = PointBench(), np.zeros((100, 100), bool)
    covered[:, :50] = True
    one, two = (covered, (100, 100), None), (covered, (100, 100), 2)
    judge = lambda truth, text, metric="upstream": benchmark.judge(truth, text, metric).score  # noqa: E731
    assert judge(one, "<point>[[100, 100], [900, 900]]</point>") == 1 and judge(one, "<point>[[900, 900], [100, 100]]</point>") == 0
    assert judge(two, "<point>[[100, 100], [200, 200]]</point>") == 1
    assert judge(two, "<point>[[100, 100]]</point>") == 0 and judge(two, "<point>[[100, 100], [900, 200]]</point>") == 0
    assert judge(two, "<point>[[100, 100], [200, 200], [300, 300]]</point>") == 0
    # A mask half the picture's size: upstream indexes it with the picture's pixels.
    small = (covered[::2, ::2], (100, 100), None)
    assert judge(small, "<point>[[400, 400]]</point>") == 0 and judge(small, "<point>[[400, 400]]</point>", "corrected") == 1


def test_a_steerable_question_tells_the_point_it_starts_from(root, tmp_path):
    questions, _ = read(PointBench(), root / "point_bench")
    assert questions[2].prompt.endswith("The image contains an existing original point at pixel coordinates: [73.6, 48.0].\nThe query refers to this existing point.")
    folder = tmp_path / "point_bench"
    shutil.copytree(root / "point_bench", folder)
    (folder / "pixmo_metadata.csv").unlink()
    (folder / "selected_masks" / "spatial" / "table_mask.png").unlink()
    items = json.loads((folder / "data.json").read_text())
    del items[1]["count"]
    (folder / "data.json").write_text(json.dumps(items))
    questions, damage = read(PointBench(), folder)
    assert len(questions) == 2
    assert dict(damage.counts) == {"a mask is missing": 1, "a field is missing: count": 1, "pixmo_metadata.csv is missing": 1}


def test_names_with_accents_are_found_in_either_form(root, tmp_path):
    import unicodedata

    folder = tmp_path / "point_bench"
    shutil.copytree(root / "point_bench", folder)
    for path in list(folder.rglob("caf*")):
        path.rename(path.with_name(unicodedata.normalize("NFD", path.name)))
    assert not read(PointBench(), folder)[1].counts


def test_paco_asks_for_parts_that_one_thing_has(root):
    questions, _ = read(PacoLvis(), root / "paco_lvis")
    assert [question.prompt.rpartition("points of ")[2] for question in questions] == ["the handle of the mug.", "the lid of the mug."]
    assert questions[0].prompt.startswith(f" {VLASER_PREFIX} Please provide")
    truth = questions[0].truth()
    pooled = PacoLvis().judge(truth, "[[220, 300], [220, 300], [900, 900], [5, 5]]", "upstream")
    assert pooled.weight == 4 and pooled.score == 0.5
    assert PacoLvis().judge(truth, "[[220, 300], [220, 300], [900, 900], [5, 5]]", "corrected").score == pytest.approx(1 / 3)


def test_pacos_precision_is_pooled_over_points_upstream(root):
    """20 right points of one answer and 1 wrong of another: 20/21, not 1/2; no coordinates count as one wrong point."""
    benchmark, truth = PacoLvis(), read(PacoLvis(), root / "paco_lvis")[0][0].truth()
    many, wrong, none = ("[[220, 300]]" * 20, "[[900, 900]]", "the handle")
    judged = {m: [Judged(str(n), "g", benchmark.judge(truth, text, m)) for n, text in enumerate((many, wrong, none))] for m in METRICS}
    assert benchmark.score(judged["upstream"], "upstream").value == pytest.approx(20 / 22)
    assert benchmark.score(judged["corrected"], "corrected").value == pytest.approx(1 / 3)


def test_pacos_file_of_upstreams_own_script(tmp_path):
    write(tmp_path / "images" / "a" / "1.jpg", encoded(scene(), ".jpg"))
    turns = [{"from": "human", "value": "<image>\nPoint to <ref>the blue square</ref>."}, {"from": "gpt", "value": "<ref>the blue square</ref><point>[[700, 340]]</point>"}]
    item = {"image": "a/1.jpg", "width": 160, "height": 120, "conversations": turns, "segmentation": [[[98, 27, 126, 27, 126, 55, 98, 55]]]}
    lacking = {key: value for key, value in item.items() if key != "segmentation"}
    outside = {**item, "image": "../1.jpg"}
    (tmp_path / SCRIPT).write_text("\n".join(map(json.dumps, (item, lacking, outside))))
    questions, damage = read(PacoLvis(), tmp_path)
    assert len(questions) == 1 and dict(damage.counts) == {"a field is missing: segmentation": 1, "a picture's name leaves the folder": 1}
    truth = questions[0].truth()
    assert PacoLvis().judge(truth, "[[700, 340]]", "upstream").score == PacoLvis().judge(truth, "[[700, 340]]", "corrected").score == 1
    # Upstream draws the polygon with its outline: pixel 126 belongs to it, COCO's mask ends before.
    edge = "[[790, 340]]"
    assert PacoLvis().judge(truth, edge, "upstream").score == 1 and PacoLvis().judge(truth, edge, "corrected").score == 0


def test_pixmos_radius_is_thousandths_upstream_and_pixels_corrected():
    """The label says pixels: in a picture of 2000 × 1000, 25 thousandths are 50 pixels across and 25 down."""
    benchmark, truth = PixmoPoints(), ([(0.5, 0.5)], (2000, 1000))
    near = "<point>[[520, 500]]</point>"  # 20 thousandths, 40 pixels
    assert benchmark.judge(truth, near, "upstream").score == 1 and benchmark.judge(truth, near, "corrected").score == 0
    small = ([(0.5, 0.5)], (200, 100))
    far = "<point>[[600, 500]]</point>"  # 100 thousandths, 20 pixels
    assert benchmark.judge(small, far, "upstream").score == 0 and benchmark.judge(small, far, "corrected").score == 1
    assert benchmark.judge(truth, "[[2500, 12]]", "upstream").weight == 1 and benchmark.judge(truth, "[[2500, 12]]", "corrected").score == 0


def test_a_picture_that_is_another_than_labelled_is_damaged(root, tmp_path):
    folder = tmp_path / "pixmo"
    shutil.copytree(root / "pixmo_points", folder)
    next((folder / "images").iterdir()).write_bytes(encoded(scene(seed=99), ".jpg"))
    questions, _ = read(PixmoPoints(), folder)
    with pytest.raises(Damaged, match="another than labelled"):
        questions[0].pictures()
    next((folder / "images").iterdir()).unlink()
    assert read(PixmoPoints(), folder)[1].counts == {"a picture is missing": 2}


def test_refspatial_in_its_raw_folders(tmp_path):
    write(tmp_path / "Location" / "image" / "0.png", encoded(scene()))
    write(tmp_path / "Location" / "mask" / "0.png", encoded(mask(TABLE[0]).astype(np.uint8) * 3))
    item = {"id": 0, "object": "x", "prompt": "Please point out x.", "suffix": "Tuples.", "rgb_path": "image/0.png", "mask_path": "mask/0.png", "category": "location", "step": 1}
    (tmp_path / "Location" / "question.json").write_text(json.dumps([item, {**item, "mask_path": None}, "x"]))
    questions, damage = read(RefSpatial(), tmp_path)
    assert len(questions) == 1 and set(damage.counts) == {"a field is missing: mask_path", "an item is no object"}
    # Nearly black is inside upstream, and outside in the corrected reading.
    inside = "<point>[[220, 300]]</point>"
    assert RefSpatial().judge(questions[0].truth(), inside, "upstream").score == 1
    assert RefSpatial().judge(questions[0].truth(), inside, "corrected").score == 0


def test_vlabench_shows_two_pictures_and_uses_its_own_instruction_where_it_is(root, tmp_path):
    folder = tmp_path / "vlabench"
    shutil.copytree(root / "vlabench", folder)
    questions, _ = read(VlaBench(), folder)
    assert questions[0].prompt.count("<image>") == 2 and "press" in questions[0].prompt and VlaBench().notes(folder)
    (folder / "eval_vlm_en.txt").write_text("In Skill Lab, we provide skills.")
    questions, _ = read(VlaBench(), folder)
    assert questions[0].prompt.startswith("In Skill Lab, we provide skills.\nInput picture\nImage: <image>\n") and not VlaBench().notes(folder)
    (folder / "Spatial" / "select_book_spatial" / "example0" / "output" / "operation_sequence.json").unlink()
    (folder / "Spatial" / "select_book_spatial" / "example0" / "input" / "instruction.txt").write_text("")
    _, damage = read(VlaBench(), folder)
    assert dict(damage.counts) == {"instruction.txt is empty": 1}
