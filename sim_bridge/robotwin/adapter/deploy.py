"""XPolicyLab's evaluation loop, for simulators that call the policy's own (RoboTwin's brings its own)."""

from __future__ import annotations


def eval_one_episode(TASK_ENV, model_client) -> None:
    """Look, act through the chunk, look again, until the episode ends."""
    model_client.call(func_name="reset")
    while not TASK_ENV.is_episode_end():
        model_client.call(func_name="update_obs", obs=TASK_ENV.get_obs())
        for action in model_client.call(func_name="get_action"):
            TASK_ENV.take_action(action)
            if TASK_ENV.is_episode_end():
                return


def eval_one_episode_batch(TASK_ENV, model_client) -> None:
    """The same for several environments that step together; one that ends leaves the others to go on."""
    model_client.call(func_name="reset")
    while not TASK_ENV.is_episode_end():
        running = list(TASK_ENV.get_running_env_idx_list())
        model_client.call(func_name="update_obs_batch", obs=TASK_ENV.get_obs_batch(running))
        chunks = dict(zip(running, model_client.call(func_name="get_action_batch", obs=running)))
        for step in range(min(map(len, chunks.values()))):
            TASK_ENV.take_action_batch([chunks[index][step] for index in running], running)
            if TASK_ENV.is_episode_end():
                return
            running = [index for index in running if index in set(TASK_ENV.get_running_env_idx_list())]
