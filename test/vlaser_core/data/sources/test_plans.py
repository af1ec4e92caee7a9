from __future__ import annotations

import pytest
import yaml

from vlaser_core.data.sources.egoplan import EgoPlan
from vlaser_core.data.sources.llarp import LlarpPlans
from vlaser_core.errors import InputError


def ego_item(**changes):
    steps = [("open drawer", 9162, 9203), ("grab knife", 9214, 9273), ("close drawer", 9272, 9303)]
    return {
        "sample_id": 39, "video_source": "EpicKitchens", "video_id": "P07_113", "task_goal": "Cut and peel the onion",
        "question": "What action should I take next in order to cut and peel the onion?", "answer": "grab onion", "current_observation_frame": 9308,
        "task_progress_metadata": [{"narration_text": text, "start_frame": start, "stop_frame": stop} for text, start, stop in steps],
        "negative_answers": ["open drawer", "grab knife", "close drawer", "slice onion", "grab onion"],
    } | changes  # fmt: skip


def write_ego(root, kit, items):
    kit.write_json(root / "EgoPlan_IT.json", items)
    for frame in (9182, 9243, 9287, 9308):
        kit.write_picture(root / f"EPIC-KITCHENS/P07/rgb_frames/P07_113/frame_{frame:010d}.jpg")
    return EgoPlan(root)


def test_a_goal_is_asked_about_with_what_was_done_and_the_present_frame(tmp_path, kit):
    samples, damage = kit.read_all(write_ego(tmp_path, kit, [ego_item()] * 6))
    assert not damage.counts and len(samples) == 12
    assert [name[-8:-4] for name in samples[0].record.images] == ["9182", "9243", "9287", "9308"]
    assert kit.answers(samples)[0] == "grab onion"
    for sample in samples[1::2]:
        question, answer = (message.value for message in sample.record.conversations)
        assert answer.endswith(". grab onion") and f"\n{answer}" in question and question.count("grab onion") == 1
    assert len(set(kit.answers(samples[1::2]))) > 1


def test_items_without_frames_or_of_another_source_are_counted(tmp_path, kit):
    items = [ego_item(video_source="Ego4D"), ego_item(current_observation_frame=9400), ego_item(answer=" "), {"sample_id": 1}]
    samples, damage = kit.read_all(write_ego(tmp_path, kit, items))
    assert not samples
    assert damage.counts == {"video source is not supported": 1, "picture is missing": 1, "item is incomplete": 2}


INSTRUCTIONS = {
    "instructions": {
        "aa": {
            "lang": {"train": ["Move a `thing` to the `there`"], "eval": ["never this"]}, "tags": ["v2_train"],
            "solution_template": ["nav(`here`)", "pick_`thing`()", "nav(`there`)", "place(`there`)"],
            "sampled_receps": {"here": {"type": "open_air_receps"}, "there": {"type": "open_air_receps", "not_equal": ["here"]}},
            "sampled_objects": {"thing": {"types": {"train": "train_cats"}, "recep": "here"}},
        },
        "bb": {"lang": {"train": ["Can you open the fridge for me?"]}, "tags": ["v2_train"],
               "solution_template": ["nav(fridge_push_point)", "open_fridge(fridge_push_point)"]},
        "cc": {"lang": {"train": ["If the fridge is open do this"]}, "tags": ["v2_eval_cond"], "solution_template": ["nav(`x`)"]},
        "dd": {"lang": {"train": ["Move all of it"]}, "tags": ["v2_train"]},
        "ee": {"lang": {"train": ["Go to `nowhere`."]}, "tags": ["v2_train"], "solution_template": ["nav(`nowhere`)"]},
    },
    "name_mappings": {"receptacle_tbl": "black table", "receptacle_sofa": "sofa", "fridge_push_point": "fridge"},
}  # fmt: skip
DATASET = {
    "receptacle_sets": [{"name": "open_air_receps", "included_receptacle_substrings": ["receptacle_tbl", "receptacle_sofa"]}],
    "category_groups": {"train_cats": {"included": ["orange", "mug"]}},
}


def write_llarp(root):
    folder = root / "llarp/dataset/configs"
    folder.mkdir(parents=True)
    (folder / "instructions.yaml").write_text(yaml.safe_dump(INSTRUCTIONS))
    (folder / "dataset.yaml").write_text(yaml.safe_dump(DATASET))
    return LlarpPlans(root, plans=40)


def test_a_plan_follows_its_template_and_finds_what_the_instruction_does_not_place(tmp_path, kit):
    source = write_llarp(tmp_path)
    assert [unit.key for unit in source.units()] == ["aa", "bb", "ee"]
    samples, damage = kit.read_all(source)
    following = [sample for sample in samples if sample.record.family == "household_next_step"]
    samples = [sample for sample in samples if sample.record.family == "household_plan"]
    assert len(following) == len(samples)
    for plan, sample in zip(samples, following, strict=True):
        steps = [line.split(". ", 1)[1] for line in plan.record.conversations[1].value.split("\n")] + ["the task is done"]
        question, answer = (message.value for message in sample.record.conversations)
        done = question.split("Done so far: ")[1].split(".")[0].split(", ") if "Done so far" in question else []
        assert steps[: len(done)] == done and answer == steps[len(done)]
    plans = {sample.record.conversations[0].value: sample.record.conversations[1].value for sample in samples}
    told = [(question, plan) for question, plan in plans.items() if "Move an orange to the sofa." in question]
    assert told and told[0][1] == "1. find the orange\n2. pick up the orange\n3. go to the sofa\n4. put it on the sofa"
    assert any("Move a mug to the black table." in question for question in plans)
    assert len(samples) == 5, "each sentence once: two things, two places, and the fridge"
    assert kit.answers(samples)[-1] == "1. go to the fridge\n2. open the fridge"
    assert damage.counts == {"template cannot be filled": 1}
    assert samples[0].record.images == () and samples[0].record.width == 0


def test_no_step_goes_where_the_robot_stands():
    steps = ["go to the sink", "pick up the can", "go to the sofa", "put it on the sofa", "go to the sofa", "pick up the ball", "go to the sink"]
    assert LlarpPlans._without_idle(steps) == [*steps[:4], *steps[5:]]


@pytest.mark.parametrize(("source", "words"), [(EgoPlan, "EPIC-KITCHENS"), (LlarpPlans, "ml-llarp")])
def test_an_empty_folder_says_what_to_get(tmp_path, source, words):
    with pytest.raises(InputError, match=words):
        source(tmp_path).units()
