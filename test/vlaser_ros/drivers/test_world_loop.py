"""The world's thread in virtual time: stamps, trajectories, resets, and a computer that is too slow."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import InputError
from vlaser_ros.drivers import world_loop
from vlaser_ros.stand_in_world import StandInWorld

ROBOT = load_embodiment("widowx")
HOME = np.array([*ROBOT.arms[0].home, 0.037])


class Hand:
    """Clock and listener in one. drawing: s a picture takes; `run` lets the loop go for some seconds."""

    def __init__(self, monkeypatch, world=None, *, drawing: float = 0.0) -> None:
        self.clock, self.drawing, self.until, self.error = 100.0, drawing, 0.0, None
        self.joints, self.images, self.states, self.lags, self.actions = [], [], [], [], {}
        self.world = world or StandInWorld(ROBOT)
        monkeypatch.setattr(world_loop, "time", SimpleNamespace(sleep=self.sleep))
        self.loop = world_loop.WorldLoop(lambda: self.world, self, lambda: self.clock, task="", seed=3, camera_rate=10.0)

    def sleep(self, seconds: float) -> None:
        self.clock += max(seconds, 1e-6)

    def on_joints(self, stamp, joints, openness) -> None:
        self.lags.append(self.clock - stamp)
        self.joints.append((stamp, np.array([*joints, *openness])))
        for moment in [moment for moment in self.actions if moment <= self.clock]:
            self.actions.pop(moment)()
        if self.clock >= self.until:
            self.loop.stop()

    def on_images(self, stamp, images) -> None:
        self.images.append(stamp)
        self.clock += self.drawing

    def on_status(self, stamp, status) -> None:
        self.states.append(status)

    def on_failure(self, error) -> None:
        self.error = error

    def run(self, seconds: float) -> None:
        self.until = self.clock + seconds
        self.loop.run()  # in this thread: nothing runs beside it
        assert not self.error, self.error


def test_pictures_have_the_stamp_of_a_joint_state_and_the_rates_are_kept(monkeypatch):
    hand = Hand(monkeypatch, drawing=0.015)
    hand.run(2.0)
    stamps = [stamp for stamp, _ in hand.joints]
    assert set(hand.images) <= set(stamps) and 19 <= len(hand.images) <= 21 and 99 <= len(stamps) <= 103
    np.testing.assert_allclose(np.diff(stamps), 0.02, atol=1e-9)
    assert hand.states[-1].slip == 0.0


def test_a_slow_computer_slips_and_its_joint_states_stay_fresh(monkeypatch):
    hand = Hand(monkeypatch, drawing=0.25)
    hand.run(5.0)
    # What the controller sees as age; from joint_states_timeout (0.3 s) on it would refuse every chunk.
    assert max(hand.lags) < 0.3 and hand.states[-1].slip > 1.0
    assert (np.diff([stamp for stamp, _ in hand.joints]) > 0).all()


def test_a_trajectory_is_played_at_its_times_and_counts_as_motion(monkeypatch):
    hand = Hand(monkeypatch)
    goal = HOME + [0.4, 0.0, 0.0, 0.0, 0.0, 0.0, -0.022]
    hand.actions[100.5] = lambda: hand.loop.play(np.array([101.0, 101.5]), np.array([HOME, goal]))
    hand.run(2.0)
    at = {round(stamp, 2): values for stamp, values in hand.joints}
    assert at[101.26][0] == pytest.approx((HOME[0] + goal[0]) / 2, abs=0.02)
    assert at[101.6][0] == pytest.approx(goal[0]) and at[101.6][6] == pytest.approx(0.0)
    assert hand.states[0].steps == 0 and hand.states[-1].steps in (6, 7)


def test_a_hold_where_the_arm_is_counts_as_no_motion(monkeypatch):
    hand = Hand(monkeypatch)
    hand.actions[100.2] = lambda: hand.loop.play(np.array([100.3]), np.array([[*hand.joints[-1][1][:6], HOME[6]]]) + 0.001)
    hand.run(1.5)
    assert hand.states[-1].steps == 0


def test_an_empty_trajectory_stops_where_the_arm_is_told_to_be(monkeypatch):
    hand = Hand(monkeypatch)
    hand.actions[100.2] = lambda: hand.loop.play(np.array([101.2]), np.array([HOME + [0.5, 0, 0, 0, 0, 0, 0]]))
    hand.actions[100.7] = lambda: hand.loop.play(np.zeros(0), np.zeros((0, 7)))
    hand.run(2.0)
    waist = np.array([values[0] for stamp, values in hand.joints if stamp > 100.75])
    assert np.ptp(waist) < 1e-9 and abs(waist[0] - hand.joints[0][1][0]) > 0.02


def test_a_reset_starts_another_episode_and_an_unknown_task_keeps_this_one(monkeypatch):
    hand, futures = Hand(monkeypatch), []
    hand.actions[100.2] = lambda: hand.loop.play(np.array([100.4]), np.array([HOME]))
    hand.actions[100.6] = lambda: futures.append(hand.loop.reset("juggle", 0))
    hand.actions[100.8] = lambda: futures.append(hand.loop.reset("", 9))
    hand.run(1.5)
    with pytest.raises(InputError, match="juggle.*reach"):
        futures[0].result(0)
    instruction, stamp = futures[1].result(0)
    assert instruction == "reach the middle" and 100.8 <= stamp <= 100.9
    assert hand.states[-1].seed == 9 and hand.states[-1].steps == 0


def test_motion_meant_for_the_scene_before_a_reset_is_refused(monkeypatch):
    hand, refusals = Hand(monkeypatch), []

    def late() -> None:
        with pytest.raises(InputError, match="before the scene was reset") as refusal:
            hand.loop.play(np.array([101.5]), np.array([HOME + 0.3]), stamp=100.4)
        refusals.append(refusal)

    hand.actions[100.5] = lambda: hand.loop.reset("", 9)
    hand.actions[100.8] = late
    hand.run(1.5)
    waist = [values[0] for stamp, values in hand.joints if stamp > 100.7]
    assert refusals and np.ptp(waist) == 0.0 and hand.states[-1].steps == 0


def test_nothing_moves_before_the_world_is_built(monkeypatch):
    with pytest.raises(InputError, match="still loading"):
        Hand(monkeypatch).loop.play(np.array([101.0]), np.array([HOME]))


def test_a_world_that_raises_is_reported_with_its_error(monkeypatch):
    class Broken(StandInWorld):
        def advance(self, seconds: float) -> None:
            raise RuntimeError("the solver diverged")

    hand = Hand(monkeypatch, Broken(ROBOT))
    with pytest.raises(AssertionError, match="the solver diverged"):
        hand.run(1.0)
    assert isinstance(hand.error, RuntimeError)
