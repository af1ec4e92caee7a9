"""A policy over a bag: compared with what was done, at the views a server would have had, and nothing made up."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass

import numpy as np
import pytest
from std_msgs.msg import String

from vlaser_core.embodiment import load_embodiment, replace
from vlaser_core.errors import InputError
from vlaser_core.kinematics import Kinematics
from vlaser_core.processing.actions import deltas_between
from vlaser_core.processing.normalization import Spread, Statistics
from vlaser_core.types import ActionChunk
from vlaser_ros.bags.open_loop import Options, Outcome, open_loop
from vlaser_ros.bags.page import write
from vlaser_ros.bags.reader import Bag
from vlaser_ros.bags.sources import find_sources

from .conftest import ROBOT, START, chunk_at, sway, told, verdict_of

H, A = ROBOT.action.horizon, ROBOT.action_dim


@pytest.fixture(scope="module")
def statistics() -> Statistics:
    spread = Spread(*(np.full(A, value) for value in (0.0, 0.01, 0.02, -0.02, 0.02, -0.02)))
    return Statistics(spread, spread, 100, 10)


def true_motion(stamp: float) -> np.ndarray:
    """What `sway` does from a stamp on, and a gripper that stays open."""
    kinematics = Kinematics(ROBOT.arms[0])
    poses = np.array([kinematics.forward(sway(stamp + step * 0.2)) for step in range(H + 1)])
    return np.concatenate([deltas_between(poses), np.ones((H, 1))], axis=1)


@dataclass
class Policy:
    """A policy with a known answer; remembers what it was told."""

    answer: object
    embodiment: object = ROBOT

    def __post_init__(self) -> None:
        self.told: list[tuple[float, str, int]] = []

    def predict(self, observation, instruction, *, seed=None):
        self.told.append((observation.stamp, instruction, seed))
        return ActionChunk(self.answer(observation.stamp), observation.stamp, 0.2, 0.01)


def run(file, policy, **options) -> Outcome:
    with Bag(file) as bag:
        return open_loop(bag, policy, find_sources(bag), Options(**options))


def test_a_policy_that_does_what_was_done_has_no_error(episode, tmp_path, statistics):
    outcome = run(episode(3.0).write(tmp_path / "a.mcap"), Policy(true_motion), instruction="sway")
    policy, hold = outcome.errors(statistics)
    assert outcome.against == "motion" and policy.physical.max() < 1e-6 and policy.within(0.05)["all_dims"] == 1
    # Somebody who holds still is not as good: the test can fail.
    assert hold.within(0.05)["all_dims"] < 0.5
    # 30 pictures, the last 0.8 s of which have no whole chunk of motion after them.
    assert len(outcome.stamps) == 22 and sum(outcome.missed.values()) == 8, outcome.missed


def test_stride_and_limit_choose_pictures(episode, tmp_path):
    file = episode(3.0).write(tmp_path / "a.mcap")
    outcome = run(file, Policy(true_motion), instruction="sway", stride=5, limit=3)
    assert np.allclose(outcome.stamps, [START, START + 0.5, START + 1.0], atol=1e-5)


def test_seeds_count_up_so_that_a_run_can_be_repeated(episode, tmp_path):
    policy = Policy(true_motion)
    run(episode(2.0).write(tmp_path / "a.mcap"), policy, instruction="sway", seed=7, limit=3)
    assert [seed for _, _, seed in policy.told] == [7, 8, 9]


def test_accepted_chunks_are_compared_at_exactly_their_views_and_refused_ones_are_not(episode, tmp_path, statistics):
    made, done = episode(3.0), {}
    for sequence, (offset, accepted) in enumerate([(0.3, True), (1.0, False), (1.7, True), (2.9, True)]):
        actions = np.random.default_rng(sequence).normal(0, 0.005, (H, A))
        made.add(START + offset + 0.06, "/vlaser/action_chunk", chunk_at(START + offset, actions, sequence, inference=0.05))
        made.add(START + offset + 0.07, "/vlaser/chunk_verdict", verdict_of(sequence, accepted, age=0.07))
        if accepted:
            done[round(START + offset, 3)] = actions
    made.add(START, "/sim_driver/state", told("sway"))
    outcome = run(made.write(tmp_path / "a.mcap"), Policy(lambda stamp: done[round(stamp, 3)]))
    assert outcome.against == "chunks" and [round(stamp, 3) for stamp in outcome.stamps] == list(done)
    assert outcome.errors(statistics)[0].physical.max() == 0
    assert outcome.recorded_inference_s == [0.05] * 3 and outcome.recorded_chunk_age_s == [0.07] * 3


def test_motion_can_be_asked_for_where_there_are_chunks(episode, tmp_path):
    made = episode(2.0)
    made.add(START + 0.1, "/vlaser/action_chunk", chunk_at(START, np.zeros((H, A)), 1))
    made.add(START + 0.1, "/vlaser/chunk_verdict", verdict_of(1, True))
    file = made.write(tmp_path / "a.mcap")
    assert run(file, Policy(true_motion), instruction="sway", against="motion", limit=2).against == "motion"
    bare = episode(2.0).write(tmp_path / "b.mcap")
    with pytest.raises(InputError, match="no accepted action chunk of 'widowx'; use --against motion"):
        run(bare, Policy(true_motion), instruction="sway", against="chunks")


def test_pictures_of_an_arm_that_waits_can_be_left_out(episode, tmp_path):
    """Standing still would be right in most of a recording in which a policy was thinking."""
    waits = episode(4.0, joints_at=lambda time: sway(min(time, START + 1.0))).write(tmp_path / "a.mcap")
    every = run(waits, Policy(true_motion), instruction="sway")
    moving = run(waits, Policy(true_motion), instruction="sway", drop_idle=True)
    assert len(every.stamps) == 32 and len(moving.stamps) == 10 and max(moving.stamps) < START + 1.0
    assert moving.missed["the arm stood still"] == 22
    made = episode(2.0)
    made.add(START + 0.1, "/vlaser/action_chunk", chunk_at(START, np.zeros((H, A)), 1))
    made.add(START + 0.1, "/vlaser/chunk_verdict", verdict_of(1, True))
    with pytest.raises(InputError, match="--drop-idle is for --against motion"):
        run(made.write(tmp_path / "b.mcap"), Policy(true_motion), instruction="sway", drop_idle=True)


def test_the_instruction_is_the_one_of_that_time(episode, tmp_path):
    made = episode(3.0)
    made.add(START, "/sim_driver/state", told("first"))
    made.add(START + 1.0, "/sim_driver/state", told("second"))
    policy = Policy(true_motion)
    run(made.write(tmp_path / "a.mcap"), policy)
    assert all(text == ("first" if stamp < START + 0.95 else "second") for stamp, text, _ in policy.told) and {text for _, text, _ in policy.told} == {"first", "second"}


def test_the_goals_own_words_come_before_the_simulators(episode, tmp_path):
    made = episode(2.0)
    made.add(START, "/sim_driver/state", told("what the scene is for"))
    made.add(START + 0.001, "/left/vlaser/instruction", String(data="what the goal says"))
    policy = Policy(true_motion)
    run(made.write(tmp_path / "a.mcap"), policy, limit=2)
    assert {text for _, text, _ in policy.told} == {"what the goal says"}


def test_a_bag_that_does_not_say_what_was_asked_needs_an_instruction(episode, tmp_path):
    with pytest.raises(InputError, match="does not say what the robot was told; give --instruction"):
        run(episode(1.0).write(tmp_path / "a.mcap"), Policy(true_motion))


def test_another_robots_policy_is_refused(episode, tmp_path):
    with pytest.raises(InputError, match="checkpoint is for embodiment 'other', the bag is of 'widowx'"):
        run(episode(1.0).write(tmp_path / "a.mcap"), Policy(true_motion, replace(ROBOT, name="other")), instruction="sway")


def test_a_scene_that_was_reset_is_no_motion(episode, tmp_path):
    def jump(time: float) -> np.ndarray:
        joints = sway(time)
        joints[0] += 1.0 if time > START + 1.5 else 0.0
        return joints

    outcome = run(episode(3.0, joints_at=jump).write(tmp_path / "a.mcap"), Policy(true_motion), instruction="sway")
    assert outcome.missed["the arm moved further in a step than the contract allows"] == 8
    assert all(stamp > START + 1.5 or stamp < START + 0.75 for stamp in outcome.stamps)


def test_pictures_without_joint_states_are_counted_and_not_made_up(episode, tmp_path):
    made = episode(4.0)
    made.messages = [each for each in made.messages if not ("joint" in each[1] and START + 1.0 < each[0] < START + 2.0)]
    outcome = run(made.write(tmp_path / "a.mcap"), Policy(true_motion), instruction="sway")
    assert sum(outcome.missed.values()) + len(outcome.stamps) == 40
    assert not [stamp for stamp in outcome.stamps if START + 0.25 < stamp < START + 1.9]


def test_views_that_a_server_would_find_too_old_are_left_out(episode, tmp_path):
    made = episode(2.0)
    made.messages = [(time + (1.0 if "image" in topic else 0.0), topic, message) for time, topic, message in made.messages]
    with pytest.raises(InputError, match="nothing could be compared: .*older than 0.60 s"):
        run(made.write(tmp_path / "a.mcap"), Policy(true_motion), instruction="sway").errors(None)
    assert len(run(tmp_path / "a.mcap", Policy(true_motion), instruction="sway", max_age=2.0).stamps) > 5


def test_a_bag_whose_recording_time_is_another_clock_is_read_on_its_stamps(episode, tmp_path):
    outcome = run(episode(2.0, shift=5e7).write(tmp_path / "a.mcap"), Policy(true_motion), instruction="sway")
    assert len(outcome.stamps) == 12 and max(outcome.view_age_s) < 0.1


@pytest.mark.parametrize(("finger", "openness"), [(0.037, 1.0), (0.015, 0.0), (0.024, 0.0), (0.030, 1.0)])
def test_a_measured_finger_is_a_command_to_open_or_close(episode, tmp_path, finger, openness):
    outcome = run(episode(1.5, finger=finger).write(tmp_path / "a.mcap"), Policy(true_motion), instruction="sway")
    assert set(np.array(outcome.recorded)[..., 6].ravel()) == {openness} == set(np.array(outcome.held)[..., 6].ravel())


def test_page_summary_and_table_hold_the_numbers(episode, tmp_path, statistics):
    outcome = run(episode(3.0).write(tmp_path / "a.mcap"), Policy(lambda stamp: true_motion(stamp) * 1.5), instruction="<b>sway</b>")
    policy, hold = outcome.errors(statistics)
    facts = {"policy": policy.to_json(), "hold": hold.to_json(), "timings": outcome.timings(), "missed": dict(outcome.missed)}
    write(tmp_path / "out", {**facts, "instructions": dict(outcome.instructions), "versions": {}, "command": "vlaser eval bag a.mcap"}, outcome, "sway")
    page = (tmp_path / "out/report.html").read_text()
    assert "&lt;b&gt;sway&lt;/b&gt;" in page and "<b>sway" not in page and f"{policy.l1()['mean']:.4f}" in page
    assert page.count("data:image/jpeg") == len(outcome.stills) <= 12 and "http" not in page.replace("http://www.w3.org", "")
    rows = list(csv.DictReader((tmp_path / "out/steps.csv").open()))
    assert len(rows) == len(outcome.stamps) * H and float(rows[5]["policy_dx"]) == pytest.approx(outcome.predicted[1][1, 0], rel=1e-4)
    assert json.loads((tmp_path / "out/summary.json").read_text())["policy"]["chunks"] == len(outcome.stamps)


def test_joint_space_robots_are_compared_in_joints(episode, tmp_path):
    """The same arm with joint actions: what was done is where the joints stood."""
    from vlaser_ros.bags.recorded import motion_of

    robot = replace(ROBOT, action=replace(ROBOT.action, kind="joints", names=(*ROBOT.joint_names, "gripper")))
    with Bag(episode(2.0, finger=0.026).write(tmp_path / "a.mcap")) as bag:
        chunk = motion_of(bag, robot, "/joint_states", 0.06).chunk(START + 0.5)
    assert np.allclose(chunk[:, :6], [sway(START + 0.5 + 0.2 * step) for step in range(1, H + 1)], atol=1e-6) and np.allclose(chunk[:, 6], 0.5)


def test_the_command_runs_the_shipped_policy_over_a_bag(episode, tmp_path, capsys):
    pytest.importorskip("torch")
    from vlaser_ros.cli import run as command

    made = episode(2.0)
    made.add(START, "/sim_driver/state", told("put carrot on plate"))
    file = made.write(tmp_path / "a.mcap")
    assert command(["eval", "bag", str(file), "--limit", "2", "--threads", "1", "--json", "--out", str(tmp_path / "out")]) == 0
    summary = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert summary["embodiment"] == load_embodiment("widowx").name and summary["policy"]["chunks"] == 2
    assert set(summary["policy"]["within"]) == {"0.05", "0.1", "0.2", "0.3", "0.5"} and summary["timings"]["inference_s"]["count"] == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.html", "steps.csv", "summary.json"]
    assert command(["eval", "bag", str(tmp_path / "absent.mcap")]) == 2 and "there is no bag" in capsys.readouterr().err
