"""Plays RoboTwin's episodes in RoboTwin's own environment, for `vlaser eval robotwin`: the standard library, numpy, and what RoboTwin needs.

    python -I worker.py '{"checkout": …, "task": …, …}' FD

Runs the published protocol (`script/eval_policy.py`): seeds from 100000 · (1 + seed) upward, kept where the scripted expert succeeds, the
scene set up anew, an instruction of the wanted kind drawn for it, and the policy until success or the task's step limit. Every event is one
JSON line on the file descriptor FD; what RoboTwin prints goes to the log.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import subprocess
import sys
import time
import traceback
from pathlib import Path

import numpy as np

ATTEMPTS = 50  # seeds tried for each episode that is wanted, before giving up on the task


def main() -> None:
    options, events = json.loads(sys.argv[1]), os.fdopen(int(sys.argv[2]), "w", buffering=1)

    def say(event: str, **fields: object) -> None:
        events.write(json.dumps({"event": event, **fields}) + "\n")

    try:
        checkout = Path(options["checkout"])
        os.chdir(checkout)
        # RoboTwin imports from its root and from where its instructions are written.
        sys.path[:0] = [str(checkout), str(checkout / "description" / "utils"), str(Path(__file__).parent)]
        run(options, say)
    except Exception as error:
        say("error", error=f"{type(error).__name__}: {error}", traceback=traceback.format_exc())
        sys.exit(1)


def run(options: dict, say) -> None:
    """Episodes until as many are done as are wanted."""
    policy = importlib.import_module("adapter.deploy_policy")
    unstable = importlib.import_module("envs.utils.create_actor").UnStableError
    describe = importlib.import_module("generate_episode_instructions").generate_episode_descriptions
    arguments = task_arguments(options)
    task = getattr(importlib.import_module(f"envs.{options['task']}"), options["task"])()
    model = policy.get_model(options["policy"])
    say("ready")
    seed, index, tried = options["first_seed"], options["done"], 0
    while index < options["episodes"]:
        tried += 1
        if tried > ATTEMPTS * options["episodes"]:
            raise RuntimeError(f"the expert succeeded on too few of {tried - 1} seeds; the task cannot be evaluated on this installation")
        say("expert", seed=seed)
        reason, info = expert(task, index, seed, arguments, unstable)
        if reason:
            say("skipped", seed=seed, reason=reason)
        else:
            say("playing", seed=seed)
            began = time.monotonic()
            task.setup_demo(now_ep_num=index, seed=seed, is_test=True, **arguments)
            # The scene's set-up seeds numpy; with the standard library's generator seeded as well, the wording belongs to the seed.
            random.seed(seed)
            wordings = describe(options["task"], [info["info"]], options["episodes"])[0].get(options["instructions"])
            if not wordings:
                raise RuntimeError(f"task {options['task']} has no {options['instructions']} instruction for seed {seed}")
            task.set_instruction(instruction=str(np.random.choice(wordings)))
            # One noise a seed, also when an episode is repeated in another process.
            model.begin(seed)
            success = play(task, model, policy, options, index, say)
            steps, instruction = int(task.take_action_cnt), str(task.get_instruction())
            task.close_env(clear_cache=(index + 1) % arguments["clear_cache_freq"] == 0)
            say("episode", seed=seed, index=index, success=success, steps=steps, limit=int(task.step_lim), instruction=instruction,
                inference_s=model.inference_s, seconds=round(time.monotonic() - began, 1))  # fmt: skip
            index += 1
        seed += 1
    say("done")


def expert(task, index: int, seed: int, arguments: dict, unstable: type) -> tuple[str, dict]:
    """Whether the scripted expert solves this seed: the reason why not, or nothing and what it did."""
    try:
        task.setup_demo(now_ep_num=index, seed=seed, is_test=True, **arguments)
        info = task.play_once()
        task.close_env()
    except unstable:
        task.close_env()
        return "the scene is unstable", {}
    except Exception as error:  # RoboTwin's planners fail in many ways; its own evaluation passes over all of them
        task.close_env()
        return f"the expert raised {type(error).__name__}", {}
    return ("", info) if task.plan_success and task.check_success() else ("the expert failed", {})


def play(task, model, policy, options: dict, index: int, say) -> bool:
    """The policy until the task succeeds or its steps are used up."""
    film = _film(task, options, index)
    try:
        while task.take_action_cnt < task.step_lim:
            policy.eval(task, model, task.get_obs())
            say("step", taken=int(task.take_action_cnt))
            if task.eval_success:
                return True
        return bool(task.eval_success)
    finally:
        if film is not None:
            task._del_eval_video_ffmpeg()


def task_arguments(options: dict) -> dict:
    """What `setup_demo` is called with: the task's configuration, its robot's files, the head camera's size."""
    import yaml

    folder = Path(importlib.import_module("envs").CONFIGS_PATH)

    def read(path: Path) -> dict:
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing from the checkout")
        return yaml.safe_load(path.read_text(encoding="utf-8"))

    arguments = read(folder / f"{options['task_config']}.yml")
    robots, cameras = read(folder / "_embodiment_config.yml"), read(folder / "_camera_config.yml")
    chosen = arguments["embodiment"]
    if list(chosen) != ["aloha-agilex"]:
        raise ValueError(f"configuration {options['task_config']} has the robot {chosen}; this policy drives aloha-agilex")
    files = robots["aloha-agilex"]["file_path"]
    robot = read(Path(files) / "config.yml")
    head = cameras[arguments["camera"]["head_camera_type"]]
    arguments.setdefault("data_type", {}).update(rgb=True, qpos=True)
    arguments.setdefault("clear_cache_freq", 5)
    arguments.update(
        task_name=options["task"],
        task_config=options["task_config"],
        policy_name="Vlaser",
        ckpt_setting="vlaser",
        left_robot_file=files,
        right_robot_file=files,
        dual_arm_embodied=True,
        left_embodiment_config=robot,
        right_embodiment_config=robot,
        head_camera_h=head["h"],
        head_camera_w=head["w"],
        eval_mode=True,
        render_freq=0,
    )
    if options.get("videos"):
        arguments["eval_video_save_dir"] = options["videos"]
    return arguments


def _film(task, options: dict, index: int):
    """RoboTwin hands its head camera's pictures, ten a second, to a process that encodes them."""
    if not options.get("videos"):
        return None
    shape = task.get_obs()["observation"]["head_camera"]["rgb"].shape
    target = Path(options["videos"]) / f"{options['task']}-{index}.mp4"
    raw = ["-f", "rawvideo", "-pixel_format", "rgb24", "-video_size", f"{shape[1]}x{shape[0]}", "-framerate", "10", "-i", "-"]
    film = subprocess.Popen(["ffmpeg", "-y", "-loglevel", "error", *raw, "-pix_fmt", "yuv420p", str(target)], stdin=subprocess.PIPE)
    task._set_eval_video_ffmpeg(film)
    return film


if __name__ == "__main__":
    main()
