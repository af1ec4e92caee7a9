from __future__ import annotations

import io

import av
import numpy as np
import pytest

from sim_bridge.tabletop import ScriptedExpert, Tabletop
from sim_bridge.tabletop.evaluate import Episode, evaluate, run_episode, run_together, summarise
from sim_bridge.tabletop.rollouts import record_rollouts
from vlaser_core.data.scenes import load_scenes
from vlaser_core.errors import InputError
from vlaser_core.types import ActionChunk

TASK = "widowx_carrot_on_plate"


@pytest.fixture(scope="module")
def world():
    table = Tabletop("rays")
    # Pictures are not what these tests are about, and rays are slow.
    table.render = lambda width, height: np.zeros((height, width, 3), np.uint8)
    yield table
    table.close()


def policy_of(actions):
    return lambda observation, instruction, seed: ActionChunk(actions, observation.stamp, 0.2, 0.01)


def test_the_expert_succeeds_where_standing_still_fails(world):
    expert = ScriptedExpert(world)
    driven = run_episode(world, lambda o, i, s: ActionChunk(expert.chunk(), o.stamp, 0.2, 0.01), TASK, 3)
    assert driven.success and driven.chunks == 20 and driven.unreachable == 0
    idle = np.zeros((4, 7))
    idle[:, 6] = 1.0
    assert not run_episode(world, policy_of(idle), TASK, 3).success_any


def test_a_chunk_out_of_reach_is_counted_and_the_arm_holds(world):
    away = np.zeros((4, 7))
    away[:, 0] = 1.0
    episode = run_episode(world, policy_of(away), TASK, 3)
    assert episode.unreachable == episode.chunks and not episode.success
    assert world.joint_state()[0] == pytest.approx(np.array(world.embodiment.arms[0].home), abs=0.1)


def test_fewer_executed_steps_mean_more_looks(world):
    idle = np.zeros((4, 7))
    assert run_episode(world, policy_of(idle), TASK, 0, executed_steps=2).chunks == 40
    with pytest.raises(InputError, match="1…4"):
        run_episode(world, policy_of(idle), TASK, 0, executed_steps=5)


def test_an_episode_is_filmed_where_that_is_asked_and_its_film_stays_out_of_the_summary(world):
    idle = np.zeros((4, 7))
    episode = run_episode(world, policy_of(idle), TASK, 0, filmed=True)
    with av.open(io.BytesIO(episode.film)) as film:
        assert sum(1 for _ in film.decode(video=0)) == episode.chunks + 2
    assert "film" not in summarise([episode], [TASK])["rollouts"][0]


def test_episodes_played_together_are_those_played_alone(world):
    other = Tabletop("rays")
    other.render = world.render
    jobs = [(TASK, 3), ("widowx_put_eggplant_in_basket", 4), (TASK, 5)]  # of different lengths
    batches = []

    def drift(look) -> ActionChunk:
        observation, _, seed = look
        actions = np.zeros((4, 7))
        actions[:, :3] = np.random.default_rng(seed).normal(0, 0.01, 3)
        return ActionChunk(actions, observation.stamp, 0.2, 0.01)

    def drift_all(looks) -> list[ActionChunk]:
        batches.append(len(looks))
        return [drift(look) for look in looks]

    try:
        together = run_together([world, other], drift_all, jobs)
    finally:
        other.close()
    assert together == [run_episode(world, lambda *look: drift(look), task, seed) for task, seed in jobs]
    assert sum(batches) == sum(episode.chunks for episode in together) and batches.count(2) >= 20


def test_success_is_the_flag_at_the_final_step():
    lost = Episode(TASK, 0, False, True, 20, 0, (0.1,))
    kept = Episode(TASK, 1, True, True, 20, 0, (0.3,))
    summary = summarise([lost, kept], [TASK])
    assert summary["success"][TASK] == 0.5 and summary["success_any"][TASK] == 1.0
    assert summary["inference_ms"]["median"] == 200.0


@pytest.mark.parametrize("options", [{"tasks": ("fly",)}, {"episodes": 0}, {"seed": 1_000_000}, {"seed": -1}, {"together": 0}])
def test_an_evaluation_that_makes_no_sense_is_refused_before_it_starts(options):
    with pytest.raises(InputError):
        evaluate(None, **options)


def test_rollouts_are_labelled_by_the_expert_and_resume(world, tmp_path, monkeypatch):
    monkeypatch.setattr("sim_bridge.tabletop.rollouts.Tabletop", lambda renderer: world)
    idle = np.zeros((4, 7))
    calls = []

    def policy(observation, instruction, seed):
        calls.append(seed)
        return ActionChunk(idle, observation.stamp, 0.2, 0.0)

    record_rollouts(tmp_path, TASK, 1, 50, "rays", policy)
    scenes = load_scenes(tmp_path)
    assert len(scenes) == len(calls) == 20 and scenes.images.shape[1:] == (128, 128, 3)
    world.reset(TASK, 50)
    assert scenes.chunks[0] == pytest.approx(ScriptedExpert(world).chunk(), abs=1e-5)
    assert {truth.instruction for truth in scenes.truths} == {"put carrot on plate"}
    record_rollouts(tmp_path, TASK, 1, 50, "rays", policy)
    assert len(calls) == 20
