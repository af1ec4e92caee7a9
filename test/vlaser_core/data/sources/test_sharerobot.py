from __future__ import annotations

import pytest

from vlaser_core.data.sources.sharerobot import ShareRobot
from vlaser_core.errors import InputError

EPISODE = "rtx_frames_success_0/10_bridge#episode_2"


def plan(kit, question="<image 0-9> After <move the banana>, what is the most probable next event?", frames=12):
    images = [f"/mnt/somewhere/ShareRobot/planning/rt_frames_success/{EPISODE}/frame_{index}.png" for index in range(frames)]
    return {"id": EPISODE, "task": "Future_Prediction_Task", "selected_step": 3, "conversations": kit.talk(question, "<place the banana>"), "image": images}


def write_frames(root, kit, place="planning/rt_frames_success"):
    for index in range(12):
        kit.write_picture(root / place / EPISODE / f"frame_{index}.png", kind="PNG", colour=(index * 20, 0, 0))


def region(part, **label):
    return {"id": 1, "image_path": f"{EPISODE}/frame_0.png", "instruction": "Pick up the cup.", "meta_data": {"original_width": 40, "original_height": 30}} | label


@pytest.mark.parametrize("place", ["planning/rt_frames_success", "planning/images"])
def test_a_plan_sees_frames_of_the_range_it_speaks_of_wherever_they_were_unpacked(tmp_path, kit, place):
    kit.write_json(tmp_path / "planning/train/future_prediction_task.json", [plan(kit)])
    write_frames(tmp_path, kit, place)
    samples, damage = kit.read_all(ShareRobot(tmp_path, frames=4))
    assert not damage.counts
    record = samples[0].record
    assert [name.rsplit("/", 1)[1] for name in record.images] == ["frame_0.png", "frame_3.png", "frame_6.png", "frame_9.png"]
    assert record.conversations[0].value.endswith("Image-4: <image>\nAfter <move the banana>, what is the most probable next event?")
    assert (record.category, record.family) == ("planning", "future_prediction")


def test_affordances_and_trajectories_are_thousandths_of_the_labelled_picture(tmp_path, kit):
    kit.write_json(tmp_path / "affordance/affordance.json", [region("affordance", affordance={"x": 10, "y": 15, "width": 20, "height": 6})])
    kit.write_json(tmp_path / "trajectory/trajectory.json", [region("trajectory", trajectory=[[0, 0], [20, 15], [40, 30]])])
    for part in ("affordance", "trajectory"):
        kit.write_picture(tmp_path / part / "images" / EPISODE / "frame_0.png", kind="PNG", width=80, height=60)
    samples, damage = kit.read_all(ShareRobot(tmp_path))
    assert not damage.counts
    assert kit.answers(samples) == ["<box>[[250, 500, 750, 700]]</box>", "<point>[[0, 0], [500, 500], [1000, 1000]]</point>"]
    assert "to pick up the cup?" in samples[0].record.conversations[0].value


def test_a_missing_frame_a_box_outside_and_another_picture_are_counted(tmp_path, kit):
    kit.write_json(tmp_path / "planning/jsons/planning_task.json", [plan(kit)])
    outside, lacking = {"x": 35, "y": 0, "width": 20, "height": 6}, {"x": 35}
    labels = [region("affordance", affordance=label) for label in (outside, lacking, {"x": 1, "y": 1, "width": 9, "height": 9})]
    kit.write_json(tmp_path / "affordance/affordance.json", labels)
    kit.write_picture(tmp_path / "affordance/images" / EPISODE / "frame_0.png", kind="PNG", width=90, height=30)
    samples, damage = kit.read_all(ShareRobot(tmp_path))
    assert not samples
    assert damage.counts == {
        "picture is missing": 1, "box outside the picture": 1, "annotation is incomplete": 1, "picture of another shape than labelled": 1,
    }  # fmt: skip


def test_an_empty_folder_says_what_to_get(tmp_path):
    with pytest.raises(InputError, match="BAAI/ShareRobot"):
        ShareRobot(tmp_path).units()
