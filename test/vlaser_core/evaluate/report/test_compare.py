"""Evaluations read back and held against each other."""

from __future__ import annotations

import json

import pytest

from vlaser_core.errors import InputError
from vlaser_core.evaluate.report.compare import compare, overlap, page, paired, verdict, words
from vlaser_core.evaluate.report.results import read_results

TASKS = ("carrot", "spoon")


def tabletop(path, flags: dict[str, str], **settings):
    """flags: by task, a character an episode, 1 for success."""
    rollouts = [{"task": task, "seed": seed, "success": flag == "1"} for task, said in flags.items() for seed, flag in enumerate(said)]
    success = {task: said.count("1") / len(said) for task, said in flags.items()}
    interval = {task: [max(0, share - 0.2), min(1, share + 0.2)] for task, share in success.items()}
    summary = {"checkpoint": "runs/a", "success": success, "interval_95": interval, "mean_success": sum(success.values()) / len(success), "rollouts": rollouts}
    path.write_text(json.dumps(summary | {"wall_s": 3.0} | settings))
    return path


def reasoning(path, scores: dict[str, list[float]], metric="upstream", **average):
    benchmarks = {name: {"score": sum(all_) / len(all_), "interval_95": [0.0, 1.0], "n": len(all_)} for name, all_ in scores.items()}
    items = [{"id": f"{name}/{k}", "measure": name, "score": score} for name, all_ in scores.items() for k, score in enumerate(all_)]
    found = {"value": sum(each["score"] for each in benchmarks.values()) / len(benchmarks), "over": len(benchmarks), "complete": False} | average
    summary = {"kind": "reasoning", "metric": metric, "fixtures": False, "benchmarks": benchmarks, "average": found, "items": items}
    path.write_text(json.dumps(summary | {"settings": {"model": "nano"}}))
    return path


def test_the_same_episodes_are_compared_pair_by_pair(tmp_path):
    first = tabletop(tmp_path / "a.json", {"carrot": "1111100000", "spoon": "11"})
    second = tabletop(tmp_path / "b.json", {"carrot": "1111111110", "spoon": "10"}, checkpoint="runs/b", wall_s=99.0)
    found = compare(read_results(first), read_results(second))
    carrot, spoon, mean = found.changes
    # Four better and none worse: two-sided 2 / 2⁴.
    assert (carrot.paired.better, carrot.paired.worse, carrot.paired.n) == (4, 0, 10) and carrot.paired.p == 0.125 and carrot.paired.test.startswith("McNemar")
    assert carrot.difference == pytest.approx(0.4) and verdict(carrot) == "no difference shown" and overlap(carrot) == "overlap"
    assert (spoon.paired.better, spoon.paired.worse, spoon.paired.p) == (0, 1, 1.0)
    assert mean.name == "mean" and mean.difference == pytest.approx(-0.05) and mean.paired.mean_difference == pytest.approx(-0.05)
    # The worse first; what passes by itself, such as how long it took, is no setting.
    assert found.changed[0] == ("spoon", "seed 1", 1.0, 0.0) and len(found.changed) == 5
    assert found.settings == {"checkpoint": ("runs/a", "runs/b")}


def test_a_difference_is_one_where_chance_does_not_make_it(tmp_path):
    first = tabletop(tmp_path / "a.json", {"carrot": "0" * 20})
    second = tabletop(tmp_path / "b.json", {"carrot": "1" * 9 + "0" * 11})
    (carrot, mean) = compare(read_results(first), read_results(second)).changes
    assert carrot.paired.p == pytest.approx(2 / 2**9) and verdict(carrot) == verdict(mean) == "differ"
    assert words(carrot) == "differ: 9 better and 0 worse of 20, p 0.0039 (McNemar, exact); intervals apart"


def test_partial_scores_are_tested_by_sign_flips_and_a_mean_with_its_weights():
    half = [(0.0, 0.5)] * 6
    found = paired(half, [1 / 6] * 6)
    assert found.test == "sign flips" and found.p == 2 / 2**6 and found.mean_difference == pytest.approx(0.5)
    # Nine won in a measure of ninety weigh less than one lost in a measure of two.
    pairs = [(0.0, 1.0)] * 9 + [(1.0, 1.0)] * 81 + [(1.0, 0.0), (1.0, 1.0)]
    found = paired(pairs, [1 / 180] * 90 + [1 / 4] * 2)
    assert found.mean_difference == pytest.approx(-0.2) and found.test == "sign flips" and found.p == pytest.approx(1.0, abs=0.01)


def test_an_average_pairs_questions_with_each_benchmark_alike(tmp_path):
    first = read_results(reasoning(tmp_path / "a.json", {"erqa": [0, 0, 0, 0], "vsi_bench": [0.4]}))
    second = read_results(reasoning(tmp_path / "b.json", {"erqa": [1, 0, 0, 0], "vsi_bench": [0.9]}, metric="corrected"))
    found = compare(first, second)
    assert [change.name for change in found.changes] == ["erqa", "vsi_bench", "average"]
    assert found.changes[2].paired.mean_difference == pytest.approx(0.375) and found.settings == {"metric": ("upstream", "corrected")}
    assert found.first.notes == ("the average is partial: over 2 of twelve, or not whole ones",)
    assert "the average is partial" in page(found, "vlaser eval compare a b")


def test_what_one_run_alone_did_is_said_and_not_compared(tmp_path):
    first = read_results(tabletop(tmp_path / "a.json", {"carrot": "10", "spoon": "1"}))
    second = read_results(tabletop(tmp_path / "b.json", {"carrot": "1011"}))
    found = compare(first, second)
    assert found.alone == (1, 2) and verdict(found.changes[1]) == "only one run has it" and found.changes[0].paired.n == 2
    shown = page(found, "vlaser eval compare a b")
    assert "only the first run did 1 of the episodes" in shown and "only the second run did 2 of the episodes" in shown
    json.dumps(found.to_json(), allow_nan=False)


def test_names_cannot_break_out_of_the_page(tmp_path):
    first = read_results(tabletop(tmp_path / "a.json", {"<script>": "10"}, checkpoint="<b>", note="<i>"))
    second = read_results(tabletop(tmp_path / "b.json", {"<script>": "01"}, checkpoint="x", note="<u>"))
    shown = page(compare(first, second), "vlaser <tt>")
    assert not [tag for tag in ("<script", "<b>&", "<i>", "<u>", "<tt>") if tag in shown] and "&lt;script&gt;" in shown


def test_simplers_episodes_are_read_from_beside_its_summary(tmp_path):
    for name, flags in (("a", (0, 0)), ("b", (1, 0))):
        folder = tmp_path / name
        folder.mkdir()
        share = {"episodes": 2, "success": sum(flags) / 2, "interval_95": [0.0, 1.0], "success_any": 1.0}
        unfinished = {"carrot/9": "lost"} if name == "b" else {}
        summary = {"suite": "widowx", "episodes": 2, "of": 2, "tasks": {"carrot": share}, "unfinished": unfinished, "published": []}
        (folder / "summary.json").write_text(json.dumps(summary | {"mean_success": sum(flags) / 2, "mean_interval_95": [0, 1]}))
        lines = [json.dumps({"name": f"carrot/{k}", "task": "carrot", "success": bool(flag)}) for k, flag in enumerate(flags)]
        (folder / "episodes.jsonl").write_text("\n".join(lines) + '\n{"name": "cut')
        (folder / "manifest.json").write_text(json.dumps({"policy": {"checkpoint": f"runs/{name}"}, "executed_steps": 4, "assets": {"x": name}, "created": name}))
    found = compare(read_results(tmp_path / "a"), read_results(tmp_path / "b"))
    assert [change.paired.better for change in found.changes] == [1, 1] and found.first.name == "a"
    assert list(found.settings) == ["policy"] and found.second.notes == ("1 episodes were not finished",)


def test_records_are_paired_by_family_by_category_and_all_together(tmp_path):
    def written(name, scores):
        tally = {"score": 0.5, "interval_95": [0, 1], "questions": 2}
        items = [{"id": f"{k}#0", "category": "qa", "family": family, "score": score} for k, (family, score) in enumerate(scores)]
        summary = {"kind": "records", "categories": {"qa": tally}, "families": {"count": tally, "colour": tally}, "overall": tally, "items": items}
        (tmp_path / name).write_text(json.dumps(summary))
        return read_results(tmp_path / name)

    found = compare(written("a", [("count", 0), ("count", 1), ("colour", 1)]), written("b", [("count", 1), ("count", 1), ("colour", 0)]))
    counts = {change.name: (change.paired.n, change.paired.better, change.paired.worse) for change in found.changes}
    assert counts == {"count": (2, 1, 0), "colour": (1, 0, 1), "qa": (3, 1, 1), "all": (3, 1, 1)}


def test_what_a_command_printed_can_be_compared_as_well(tmp_path):
    path = tabletop(tmp_path / "a.json", {"carrot": "10"})
    (tmp_path / "log.txt").write_text(f"a table\nand more\n{path.read_text()}\n")
    assert read_results(tmp_path / "log.txt") == read_results(path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot read"),
        ("nothing", "no JSON object"),
        ("[1]", "no JSON object"),
        ('{"hello": 1}', "known are reasoning, tabletop, robotwin, simpler, records, bag"),
        ('{"rollouts": [{}], "success": {"a": 1}}', "kind tabletop and lacks a part"),
        ('{"kind": "reasoning", "benchmarks": {"erqa": {}}}', "kind reasoning and lacks a part of it: KeyError('score')"),
    ],
)
def test_what_is_no_evaluation_is_refused_in_words(tmp_path, content, told):
    if content is not None:
        (tmp_path / "summary.json").write_text(content)
    with pytest.raises(InputError) as refused:
        read_results(tmp_path)
    assert told in str(refused.value)


def test_two_kinds_are_not_compared(tmp_path):
    table = read_results(tabletop(tmp_path / "a.json", {"carrot": "1"}))
    with pytest.raises(InputError, match="kind tabletop, nano one of kind reasoning"):
        compare(table, read_results(reasoning(tmp_path / "b.json", {"erqa": [1]})))
