from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sim_bridge.simpler.evaluate import choose
from sim_bridge.simpler.oracle import HANDS, Oracle, Truth, hand_over
from sim_bridge.simpler.policies import CheckpointPolicy, ZeroPolicy
from sim_bridge.simpler.rollout import policy_seed, run_episode
from sim_bridge.simpler.suites import suite
from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import ConfigError, InputError
from vlaser_core.types import ActionChunk

WIDOWX, GOOGLE = load_embodiment("widowx"), load_embodiment("google_robot")


class Scripted:
    """Notes what it is shown; answers with `action` (7,)."""

    def __init__(self, embodiment, action):
        self.embodiment, self.action, self.seen = embodiment, np.asarray(action, dtype=float), []

    def begin(self, episode, simulator):
        self.seen.clear()

    def __call__(self, observation, instruction, seed):
        self.seen.append((observation, instruction, seed))
        return ActionChunk(np.tile(self.action, (4, 1)), observation.stamp, self.embodiment.action.dt, 0.001)


def some(name: str, each: int = 1):
    return choose(suite(name), each)


@pytest.mark.parametrize("episode", [e for e in some("widowx") if "eggplant" not in e.task], ids=lambda e: e.task)
def test_the_oracle_succeeds_and_the_zero_policy_does_not_through_the_same_bridge(link, episode):
    won = run_episode(link, episode, Oracle(WIDOWX))
    assert won.success and won.success_any and won.steps == 60 and won.stats["held"] is False
    lost = run_episode(link, episode, ZeroPolicy(WIDOWX))
    assert not lost.success and not lost.success_any and lost.chunks == 15


@pytest.mark.parametrize("task", ["pick_coke_can", "move_near"])
def test_the_google_robots_oracle_succeeds_too(link, task):
    for episode in choose(suite("google_vm"), 2, (task,)):
        assert run_episode(link, episode, Oracle(GOOGLE)).success
        assert not run_episode(link, episode, ZeroPolicy(GOOGLE)).success_any


@pytest.mark.parametrize("robot", HANDS)
@pytest.mark.parametrize("sizes", [(0.14, 0.035, 0.026), (0.03, 0.09, 0.02), (0.066, 0.066, 0.12)])
def test_a_hand_over_a_thing_leans_outward_by_its_tilt_and_closes_across_the_slimmer_side(robot, sizes):
    hand, pose = HANDS[robot], np.eye(4)
    pose[:3, 3] = 0.3, 0.4, 0.02
    rotation = hand_over(Truth(np.eye(4), 1.0, {"source": pose}, {"source": np.array(sizes)}), hand)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    approach, across = rotation[:, hand.approach], rotation[:, 1]
    assert np.arccos(-approach[2]) == pytest.approx(hand.tilt, abs=1e-6)
    assert approach[:2] @ (0.6, 0.8) == pytest.approx(np.sin(hand.tilt), abs=1e-9)
    if sizes[0] != sizes[1]:
        assert abs(across[int(sizes[1] < sizes[0])]) > 0.95


def test_the_oracle_says_what_it_cannot_do(link):
    with pytest.raises(InputError, match="opens no drawers"):
        run_episode(link, choose(suite("google_vm"), 1, ("drawer",))[0], Oracle(GOOGLE))


def test_success_is_the_flag_at_the_final_step(link, spoon):
    class Undoes(Oracle):
        """Takes away again what it has placed."""

        def __call__(self, observation, instruction, seed):
            chunk = super().__call__(observation, instruction, seed)
            if observation.stamp > 11.0:
                self._taken = getattr(self, "_taken", None) or self._again()
                return ActionChunk(next(self._taken)[None], chunk.stamp, chunk.dt, chunk.inference_s)
            return chunk

        def _again(self):
            for action in ([0, 0, -0.045, 0, 0, 0, 1.0], [0, 0, -0.045, 0, 0, 0, 1.0], [0] * 7):
                yield np.array(action, dtype=float)
            while True:
                yield np.array([0.03, 0, 0.02, 0, 0, 0, 0.0])

    outcome = run_episode(link, spoon, Undoes(WIDOWX))
    assert outcome.success_any and not outcome.success


def test_a_policy_sees_the_picture_the_state_and_its_own_seeds(link, spoon):
    policy = Scripted(WIDOWX, [0, 0, 0, 0, 0, 0, 1])
    outcome = run_episode(link, replace(spoon, number=3), policy, seed=2)
    assert outcome.chunks == 15 and outcome.instructions == ("put the spoon on the towel",)
    observation, _, seed = policy.seen[0]
    assert observation.images["image_0"].shape == (480, 640, 3) and observation.stamp == 0.0
    # The hand points down, which is Bridge's zero.
    np.testing.assert_allclose(observation.proprio, [0.29, 0, 0.14, 0, 0, 0, 1.0], atol=1e-6)
    assert [seed for *_, seed in policy.seen] == list(range(5000, 5015)) and policy_seed(replace(spoon, number=3), 2) == 5000
    assert policy.seen[1][0].stamp == pytest.approx(0.8)


@pytest.mark.parametrize(("steps", "chunks"), [(None, 15), (1, 60), (2, 30), (3, 20)])
def test_fewer_steps_of_a_chunk_are_executed_when_asked(link, spoon, steps, chunks):
    assert run_episode(link, spoon, ZeroPolicy(WIDOWX), executed_steps=steps).chunks == chunks


def test_a_chunk_longer_than_what_is_left_ends_with_the_episode(link):
    drawer = choose(suite("google_vm"), 1, ("drawer",))[0]
    outcome = run_episode(link, drawer, ZeroPolicy(GOOGLE))
    assert (outcome.steps, outcome.chunks) == (113, 29)


def test_the_instruction_is_read_anew_for_every_chunk(link):
    apple = choose(suite("google_vm"), 1, ("place_apple",))[0]
    policy = Scripted(GOOGLE, [0, 0, 0, 0, 0, 0, 1])
    outcome = run_episode(link, apple, policy)
    assert outcome.instructions == ("open top drawer", "place apple into top drawer")
    assert [instruction for _, instruction, _ in policy.seen] == ["open top drawer"] * 25 + ["place apple into top drawer"] * 25


def test_every_picture_is_shown_to_whoever_watches_and_changes_nothing(link, spoon):
    pictures: list[np.ndarray] = []
    watched = run_episode(link, spoon, Scripted(WIDOWX, [0.01, 0, 0, 0, 0, 0.05, 0]), watch=pictures.append)
    assert len(pictures) == 61 and all(picture.shape == (480, 640, 3) for picture in pictures)
    assert replace(run_episode(link, spoon, Scripted(WIDOWX, [0.01, 0, 0, 0, 0, 0.05, 0])), inference_s=()) == replace(watched, inference_s=())


def test_another_robots_policy_or_rate_is_refused(link, spoon):
    with pytest.raises(ConfigError, match="of 'widowx', the policy drives 'google_robot'"):
        run_episode(link, spoon, ZeroPolicy(GOOGLE))
    with pytest.raises(ConfigError, match="at 5 Hz, the policy's contract says 10 Hz"):
        run_episode(link, spoon, ZeroPolicy(replace(WIDOWX, action=replace(WIDOWX.action, rate_hz=10.0))))
    with pytest.raises(InputError, match="1…4"):
        run_episode(link, spoon, ZeroPolicy(WIDOWX), executed_steps=5)


def test_a_checkout_whose_episodes_last_otherwise_is_refused(link, spoon):
    with pytest.raises(InputError, match="lasts 60 steps in this checkout, the suite says 90"):
        run_episode(link, replace(spoon, max_steps=90), ZeroPolicy(WIDOWX))


def test_a_checkpoint_is_asked_with_the_chunks_seed_and_the_flow_steps_of_the_evaluation(link, spoon):
    asked = []

    class Model:
        embodiment = WIDOWX

        def predict(self, observation, instruction, *, seed, steps):
            asked.append((seed, steps))
            return ActionChunk(np.zeros((4, 7)), observation.stamp, 0.2, 0.5)

    outcome = run_episode(link, spoon, CheckpointPolicy(Model(), flow_steps=20))
    assert asked == [(seed, 20) for seed in range(15)] and outcome.inference_s == (0.5,) * 15
