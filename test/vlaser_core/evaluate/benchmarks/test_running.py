"""Asking, keeping, resuming, judging again; and the two benchmarks that are played."""

from __future__ import annotations

import json
import shutil
import sys

import pytest

from vlaser_core.data.labels.chat import Refused, Reply
from vlaser_core.errors import InputError
from vlaser_core.evaluate.benchmarks.asking import Answered, Asked, Elsewhere
from vlaser_core.evaluate.benchmarks.catalogue import benchmarks
from vlaser_core.evaluate.benchmarks.published import AVERAGES, NAMES, published
from vlaser_core.evaluate.benchmarks.question import REFUSED, Settings
from vlaser_core.evaluate.benchmarks.run import ask_questions
from vlaser_core.evaluate.benchmarks.store import Answers
from vlaser_core.evaluate.benchmarks.summary import average, average_words, summarise

ABOUT = {"model": "told", "prompts": "vlaser", "frames": 3}


def run(root, folder, name, respondent, **options):
    (benchmark,) = benchmarks([name], Settings(frames=3))
    answers = Answers(folder / f"{name}.jsonl", ABOUT)
    return ask_questions(benchmark, root / name, answers, respondent if callable(respondent) else lambda: respondent, options.pop("batch", 2), **options)


def test_questions_are_asked_in_batches_and_never_again(root, tmp_path, told):
    model, seen = told("B"), []
    outcome = run(root, tmp_path, "erqa", model, progress=lambda done, total: seen.append((done, total)))
    assert [len(batch) for batch in model.batches] == [2, 1] and outcome.asked == 3 and seen == [(0, 3), (2, 3), (3, 3)]
    assert [each.verdict.score for each in outcome.judged["upstream"]] == [1, 0, 0]

    def never():
        raise AssertionError("no model is opened for what is answered already")

    again = run(root, tmp_path, "erqa", never)
    assert again.asked == 0 and again.judged == outcome.judged


def test_a_killed_run_goes_on_with_what_is_left(root, tmp_path, told):
    class Dying(told):
        def answer(self, asked):
            if self.batches:
                raise KeyboardInterrupt
            return super().answer(asked)

    with pytest.raises(KeyboardInterrupt):
        run(root, tmp_path, "erqa", Dying("B"))
    # What a kill leaves of a line that was being written.
    with (tmp_path / "erqa.jsonl").open("a") as file:
        file.write('{"id": "erqa/0002", "ask')
    model = told("C")
    outcome = run(root, tmp_path, "erqa", model)
    assert sum(map(len, model.batches)) == 1 and [each.verdict.score for each in outcome.judged["upstream"]] == [1, 0, 1]
    assert Answers(tmp_path / "erqa.jsonl", ABOUT).damaged == 1


def test_another_wording_is_another_question(root, tmp_path, told):
    run(root, tmp_path, "where2place", told("[[500, 500]]"))
    (benchmark,) = benchmarks(["where2place"], Settings("benchmark"))
    model = told("(0.5, 0.5)")
    ask_questions(benchmark, root / "where2place", Answers(tmp_path / "where2place.jsonl", ABOUT), lambda: model, 8)
    assert len(model.batches[0]) == 2


def test_another_model_is_refused_where_answers_lie(root, tmp_path, told):
    run(root, tmp_path, "erqa", told("B"))
    with pytest.raises(InputError, match="model 'told' there, 'other' now"):
        Answers(tmp_path / "erqa.jsonl", {**ABOUT, "model": "other"})
    (tmp_path / "erqa.jsonl").write_text("nonsense\n")
    with pytest.raises(InputError, match="does not say whose answers"):
        Answers(tmp_path / "erqa.jsonl", ABOUT)


def test_a_limit_goes_evenly_over_the_benchmark(root, tmp_path, told):
    outcome = run(root, tmp_path, "vsi_bench", told("1"), limit=3)
    assert [each.group for each in outcome.judged["upstream"]] == ["object_counting", "object_rel_distance", "obj_appearance_order"]
    assert outcome.questions == 10


def test_a_refused_question_is_wrong_and_named_and_a_damaged_one_is_neither(root, tmp_path, told):
    copy = tmp_path / "copy"
    shutil.copytree(root / "refspatial_bench", copy / "refspatial_bench")
    import pyarrow.parquet as pq

    path = copy / "refspatial_bench" / "data" / "location-00000-of-00001.parquet"
    table = pq.read_table(path).to_pylist()
    table[0]["mask"] = {"bytes": b"no picture", "path": "0.png"}
    import pyarrow as pa

    pq.write_table(pa.Table.from_pylist(table), path)
    model = told(Answered("", refused="the prompt takes 9999 tokens"))
    outcome = run(copy, tmp_path, "refspatial_bench", model)
    assert dict(outcome.damage.counts) == {"a mask cannot be decoded": 1} and outcome.asked == 3
    assert {each.verdict.fault for each in outcome.judged["upstream"]} == {REFUSED}
    summary = summarise([outcome], {}, "upstream", fixtures=False, limit=None)["benchmarks"]["refspatial_bench"]
    assert summary["scored"] == 3 and summary["questions"] == 4 and summary["score"] == 0 and summary["damaged"] == {"a mask cannot be decoded": 1}
    assert "1 damaged" in summary["incomplete"] and summary["unread"] == {REFUSED: 3} and summary["groups"]["without unseen"]["n"] == 2


def test_judging_again_needs_no_model_and_both_metrics_stand_side_by_side(root, tmp_path, told):
    run(root, tmp_path, "mmsi_bench", told("The answer is B because it moved."))
    outcome = run(root, tmp_path, "mmsi_bench", told(""))
    found = summarise([outcome], {}, "upstream", fixtures=False, limit=None)["benchmarks"]["mmsi_bench"]
    assert found["score"] == 0 and found["unread"] == {"no option in the answer": 2} and found["other_metrics"]["corrected"]["score"] == 0.5
    assert [fault["name"] for fault in found["faults"]] == ["letter_before_a_word"]


def test_the_papers_average_is_the_plain_mean_of_its_twelve_columns():
    for model, row in published().items():
        assert sum(row[name] for name in NAMES) / 12 == pytest.approx(AVERAGES[model], abs=0.05), model


def test_an_average_is_only_called_so_over_twelve_whole_benchmarks():
    whole = {name: {"score": 0.5, "incomplete": []} for name in NAMES}
    found = average(whole, fixtures=False)
    assert found["complete"] and average_words(found, False) == "average of all twelve: 50.0%"
    assert not average(whole, fixtures=True)["complete"]
    whole["erqa"]["incomplete"] = ["limited to 10 of 400"]
    assert average_words(average(whole, False), False).startswith("PARTIAL average (1 not whole)")
    del whole["vlabench"]
    assert average_words(average(whole, False), False).startswith("PARTIAL average (11 of twelve benchmarks")
    assert average_words(average({}, False), False) == "no average: nothing was scored"


def test_an_unknown_benchmark_lists_the_known():
    with pytest.raises(InputError, match="unknown benchmarks erqua; known: erqa, egoplan_bench2"):
        benchmarks(["erqua"])


def test_an_endpoint_is_asked_side_by_side_and_its_refusals_are_answers():
    class Writer:
        model = "far"

        def write(self, request):
            if "long" in request.prompt:
                raise Refused("too long")
            return Reply(request.prompt.upper(), complete=request.max_tokens > 3)

    answers = Elsewhere(Writer(), together=2).answer([Asked("a", (), 9), Asked("long", (), 9), Asked("b", (), 2)])
    assert answers == [Answered("A"), Answered("", refused="too long"), Answered("B", complete=False)]


# The two that are played.


def test_plans_are_read_as_json_and_cut_where_an_action_does_not_exist():
    from vlaser_core.evaluate.benchmarks.embodied.planner import EMPTY, NO_ACTION, plan_of

    def plan(*ids):
        return json.dumps({"executable_plan": [{"action_id": each, "action_name": "x"} for each in ids]})

    assert plan_of(plan(3, 1), 5, "upstream") == ([3, 1], "")
    assert plan_of(plan(3, 9, 1), 5, "upstream") == ([3], "") and plan_of(plan(-1, 2), 5, "upstream") == ([], NO_ACTION)
    assert plan_of(plan(), 5, "upstream") == ([], EMPTY)
    for text in ("go on", "[]", '{"executable_plan": 3}', plan("3"), plan(True), plan(2.0), f"```json\n{plan(1)}\n```"):
        assert plan_of(text, 5, "upstream")[1] == "no plan in the answer", text
    assert plan_of(f"```json\n{plan(1)}\n```", 5, "corrected") == ([1], "") and plan_of(plan("3"), 5, "corrected") == ([3], "")


class Household:
    """A planner for the worker's stand-in that knows its rules; `mistakes` are said first, one a prompt."""

    model = "household"

    def __init__(self, *mistakes) -> None:
        self.mistakes, self.prompts = list(mistakes), []

    def answer(self, asked):
        (one,) = asked
        self.prompts.append(one.prompt)
        if self.mistakes:
            return [Answered(self.mistakes.pop(0))]
        names = {line.rpartition(": ")[2].rstrip("., "): int(line.split()[2].rstrip(":")) for line in one.prompt.splitlines() if line.startswith("action id ")}
        words = one.prompt.partition("human instruction is: Bring the ")[2].split()
        thing, goal = words[0], words[3].rstrip(".")
        steps = (f"find a {thing}", f"pick up the {thing}", f"find a {goal}", "put down the object in hand")
        return [Answered(json.dumps({"executable_plan": [{"action_id": names[step], "action_name": step} for step in steps]}))]


def play(tmp_path, model, metric="upstream", limit=6, **changes):
    import dataclasses

    from vlaser_core.evaluate.benchmarks.embodied.episodes import embodied
    from vlaser_core.evaluate.benchmarks.run import play_episodes
    from vlaser_core.evaluate.benchmarks.store import Lines

    benchmark = dataclasses.replace(embodied(stand_in=True)[0], **changes)
    return play_episodes(benchmark, tmp_path, lambda name: Lines(tmp_path / f"{name}.{metric}.jsonl", ABOUT), lambda: model, metric, limit)


def test_a_planner_that_knows_the_household_succeeds_and_is_not_asked_again(tmp_path):
    outcome = play(tmp_path, Household(), eval_sets=("base", "spatial"), limit=4)
    assert [each.verdict.score for each in outcome.judged["upstream"]] == [1.0] * 4 and outcome.asked == 4
    assert {each.group for each in outcome.judged["upstream"]} == {"base", "spatial"} and outcome.notes
    assert outcome.answers["embodied_alfred/base/000"].splitlines()[0] == "find a Apple: Last action executed successfully."
    again = play(tmp_path, Household("never asked"), eval_sets=("base", "spatial"), limit=4)
    assert again.asked == 0 and again.judged == outcome.judged


def test_the_rules_of_an_episode(tmp_path):
    """Ten plans that are none end it, an empty one at once; a failed action is told in the next prompt; nothing is asked twice in the same words."""
    pick_first = json.dumps({"executable_plan": [{"action_id": 10, "action_name": "pick up the Apple"}, {"action_id": 0, "action_name": "never done"}]})
    model = Household(pick_first)
    outcome = play(tmp_path / "a", model, eval_sets=("base",), limit=1)
    assert outcome.judged["upstream"][0].verdict.score == 1 and len(model.prompts) == 2
    assert "Step 0, action id 10, pick up the Apple, env feedback: Last action is invalid. Apple is not near." in model.prompts[1]
    model = Household("I do not know")
    outcome = play(tmp_path / "b", model, eval_sets=("base",), limit=1)
    (line,) = [json.loads(line) for line in (tmp_path / "b" / "base.upstream.jsonl").read_text().splitlines()[1:]]
    assert line["invalid"] == 10 and line["steps"] == 0 and len(model.prompts) == 1 and outcome.judged["upstream"][0].verdict.fault == "an episode without a plan"
    halfway = json.dumps({"executable_plan": [{"action_id": 9, "action_name": ""}, {"action_id": 13, "action_name": ""}]})
    play(tmp_path / "c", Household(halfway, '{"executable_plan": []}'), eval_sets=("base",), limit=1)
    (line,) = [json.loads(line) for line in (tmp_path / "c" / "base.upstream.jsonl").read_text().splitlines()[1:]]
    assert line["empty"] and line["success"] == 0 and line["progress"] == 0.5 and line["progress_upstream"] == 0


STEP = "        name = self.actions[action]\n"


def test_a_worker_that_dies_is_replaced_and_counted(tmp_path, monkeypatch):
    """The first worker dies in its first step; the episode is begun anew with another one."""
    import vlaser_core.evaluate.benchmarks.embodied.episodes as episodes

    script, flag = tmp_path / "worker.py", tmp_path / "died"
    once = f"        if not os.path.exists({str(flag)!r}):\n            open({str(flag)!r}, 'w').close()\n            os._exit(3)\n"
    script.write_text(episodes.WORKER.read_text().replace(STEP, once + STEP))
    monkeypatch.setattr(episodes, "WORKER", script)
    outcome = play(tmp_path, Household(), eval_sets=("base",), limit=1)
    assert outcome.judged["upstream"][0].verdict.score == 1 and not outcome.damage.counts
    assert [reason.startswith("the worker ended with code 3") for reason in outcome.lost] == [True]
    (line,) = [json.loads(line) for line in (tmp_path / "base.upstream.jsonl").read_text().splitlines()[1:]]
    assert line["attempts"] == 2


def test_a_worker_that_hangs_or_answers_nonsense_is_lost(tmp_path):
    from vlaser_core.evaluate.benchmarks.embodied.environment import WORKER, EnvironmentProcess, WorkerLost

    script = tmp_path / "worker.py"
    script.write_text(WORKER.read_text().replace(STEP, "        import time; time.sleep(60)\n"))
    environment = EnvironmentProcess([sys.executable, str(script), "--stand-in"], "alfred", "base")
    assert environment.reset(1).instruction == "Bring the Mug to the Fridge."
    environment._timeout = 0.1
    with pytest.raises(WorkerLost, match="did not answer 'step' within 0.1 s"):
        environment.step(0)
    environment.close()
    script.write_text("print('hello')\nprint('again')\n")
    with pytest.raises(WorkerLost, match="no JSON object: 'hello"):
        EnvironmentProcess([sys.executable, str(script)], "alfred", "base")
    with pytest.raises(InputError, match="cannot start the simulator's worker"):
        EnvironmentProcess([str(tmp_path / "nothing")], "alfred", "base")


def test_an_episode_whose_worker_is_always_lost_is_damaged_not_failed(tmp_path, monkeypatch):
    import vlaser_core.evaluate.benchmarks.embodied.episodes as episodes

    script = tmp_path / "worker.py"
    script.write_text(episodes.WORKER.read_text().replace(STEP, "        raise RuntimeError('no display')\n"))
    monkeypatch.setattr(episodes, "WORKER", script)
    outcome = play(tmp_path, Household(), eval_sets=("base",), limit=1)
    assert not outcome.judged["upstream"] and dict(outcome.damage.counts) == {"the simulator's worker was lost 3 times": 1}
    assert "RuntimeError: no display" in next(iter(outcome.lost))


def test_a_simulator_that_does_not_start_costs_its_set_alone(tmp_path, monkeypatch):
    import vlaser_core.evaluate.benchmarks.embodied.episodes as episodes
    from vlaser_core.evaluate.benchmarks.question import Absent

    script, first = tmp_path / "worker.py", "        self.episodes, self._set"
    source = episodes.WORKER.read_text()
    assert source.count(first) == 1
    script.write_text(source.replace(first, f"        if eval_set == 'spatial':\n            raise RuntimeError('no scenes')\n{first}"))
    monkeypatch.setattr(episodes, "WORKER", script)
    with pytest.raises(Absent, match="EB-ALFRED: its simulator does not start: the simulator failed at 'open': RuntimeError: no scenes"):
        play(tmp_path / "a", Household(), eval_sets=("spatial",))
    outcome = play(tmp_path / "b", Household(), eval_sets=("spatial", "base"), limit=2)
    assert [each.group for each in outcome.judged["upstream"]] == ["base"] and outcome.questions == 4
    assert [note for note in outcome.notes if "no scenes" in note][0].startswith("spatial was not played")


def test_the_simulators_need_their_checkout_and_their_python(tmp_path):
    from pathlib import Path

    from vlaser_core.evaluate.benchmarks.embodied.episodes import embodied
    from vlaser_core.evaluate.benchmarks.question import Absent

    alfred, habitat = embodied()
    with pytest.raises(Absent, match="EB-ALFRED: no checkout of EmbodiedBench"):
        alfred.check(tmp_path)
    (tmp_path / "embodiedbench" / "envs" / "eb_habitat").mkdir(parents=True)
    with pytest.raises(Absent, match="--embodied-python is not given"):
        habitat.check(tmp_path)
    embodied(Path(sys.executable))[1].check(tmp_path)


def test_embodiedbenchs_own_prompts_are_read_from_its_checkout_and_never_run(tmp_path):
    from vlaser_core.evaluate.benchmarks.embodied.planner import prompt_of, words_of

    config = tmp_path / "embodiedbench" / "evaluator" / "config"
    config.mkdir(parents=True)
    (tmp_path / "embodiedbench" / "planner").mkdir()
    (config / "system_prompts.py").write_text("raise SystemExit\nalfred_system_prompt = 'Ids 0 to {}: {}.\\n\\n{}\\n\\nBe good.'\n")
    (tmp_path / "embodiedbench" / "planner" / "planner_utils.py").write_text("import torch_of_theirs\ntemplate = '''\\nJSON only.'''\n")
    (config / "alfred_examples.json").write_text(json.dumps([f"example {n}" for n in range(12)]))
    (config / "alfred_long_horizon_examples.json").write_text(json.dumps(["far"]))
    words = words_of(tmp_path, "alfred", "base")
    assert not words.own and len(words.examples) == 10 and words_of(tmp_path, "alfred", "long_horizon").examples == ("far",)
    prompt = prompt_of(words, "Go there.", ("find a Cup", "find a Bed"), [])
    assert prompt.startswith("Ids 0 to 1: \naction id 0: find a Cup, \naction id 1: find a Bed.\n\n## Task Execution Example 0: \n example 0\n\n## Task")
    assert "## Now the human instruction is: Go there. You are supposed to output in json." in prompt and prompt.endswith("JSON only.")
    with pytest.raises(InputError, match="lacks EmbodiedBench's prompts"):
        words_of(tmp_path, "habitat", "base")
