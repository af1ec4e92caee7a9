"""SimplerEnv's episodes as recordings: an oracle's actions, some of them spoilt, replayed where the simulator's state is at hand."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sim_bridge.simpler.installation import Installation
from sim_bridge.simpler.link import WORKER, SimulatorLink
from sim_bridge.simpler.oracle import Oracle
from sim_bridge.simpler.robots import Adapter
from sim_bridge.simpler.suites import Episode
from vlaser_core.data.states.recording import ARM, FIRST, NOTHING, ON_NOTHING, SCENERY, TOP, About, Recording, write_recording
from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import VlaserError
from vlaser_core.geometry import quaternion_from_matrix

REPLAY = Path(__file__).parent / "replay"
FRAMES = 12  # kept of an episode
MISHAPS = 0.4  # share of episodes in which the oracle's gripper is made to fail
LEVEL_M = 0.008  # how far from the surface's height its top may be measured
SETTLED, SOON = 4, 8  # actions after a command of the gripper between which its outcome is what the robot has just tried
SHUT = 0.9  # openness below which fingers that were told to close have moved
LINGER = 8  # actions after success: the rest of an episode shows the same picture
OPENED, CLOSED = 1.0, -1.0  # the WidowX's gripper commands
# What a photograph behind the scene shows besides, by its name: nothing that one would call an object only where it says so.
EMPTY_PHOTOGRAPHS = ("bridge_real_eval_1", "bridge_real_eval_2", "google_coke_can_real_eval_1", "google_move_near_real_eval_1")


@dataclass(frozen=True)
class Plan:
    """One episode to record: the actions (n, 7) in the simulator's terms, and after how many of them a frame is kept."""

    episode: Episode
    actions: np.ndarray
    keep: tuple[int, ...]


def path_of(out: Path, episode: Episode) -> Path:
    """Where an episode's arrays are recorded."""
    return out / episode.task / f"episode-{episode.number:06d}.npz"


def drive(link: SimulatorLink, episode: Episode, rng: np.random.Generator) -> Plan:
    """Let the oracle do an episode; its actions, with probability MISHAPS spoilt: it lets go on the way, or closes on nothing."""
    embodiment = load_embodiment(episode.robot.contract)
    adapter, oracle = Adapter(episode.robot, embodiment), Oracle(embodiment)
    state, arrays = link.ask("episode", env_id=episode.env_id, build=dict(episode.build), reset=dict(episode.reset), seed=episode.seed, camera=episode.robot.camera)
    oracle.begin(episode, link)
    actions: list[np.ndarray] = []
    after_success = 0
    while not state["over"] and after_success < LINGER:
        chunk = oracle(adapter.observe(arrays, len(actions) * embodiment.action.dt), state["instruction"], 0)
        actions += list(adapter.actions(chunk, 1))
        state, arrays = link.ask("act", {"actions": np.array(actions[-1:])}, every=False)
        after_success = after_success + 1 if state["success"][-1] else 0
    done = np.array(actions)
    if rng.random() < MISHAPS:
        done = spoilt(done, rng)
    keep = sorted(int(step) for step in rng.choice(len(done) + 1, min(FRAMES, len(done) + 1), replace=False))
    return Plan(episode, done, tuple(keep))


def spoilt(actions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Actions whose gripper fails: it closes a hand's breadth too early, or opens somewhere between closing and opening."""
    result = actions.copy()
    closing = np.nonzero(np.diff(actions[:, 6]) < 0)[0]
    opening = np.nonzero(np.diff(actions[:, 6]) > 0)[0]
    if not len(closing):
        return result
    first = int(closing[0]) + 1
    last = int(opening[-1]) if len(opening) and opening[-1] > first else len(actions) - 1
    if rng.random() < 0.5:
        result[max(1, first - int(rng.integers(4, 9))) : first, 6] = CLOSED
    else:
        result[int(rng.integers(min(first + 4, last), last + 1)) :, 6] = OPENED
    return result


def replay(installation: Installation, plans: Sequence[Plan], out: Path) -> list[Path]:
    """Record the plans below `out`; returns the paths written. Raises VlaserError with the simulator's last words."""
    asked = [
        {
            "name": str(number), "env_id": plan.episode.env_id, "build": dict(plan.episode.build), "reset": dict(plan.episode.reset),
            "seed": plan.episode.seed, "camera": plan.episode.robot.camera, "actions": plan.actions.tolist(), "keep": list(plan.keep),
        }
        for number, plan in enumerate(plans)
    ]  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="vlaser-states-") as folder:
        listed = Path(folder) / "episodes.json"
        listed.write_text(json.dumps(asked))
        command = [str(installation.python), "-I", str(REPLAY), str(WORKER), str(installation.checkout), str(listed), folder]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise VlaserError(f"SimplerEnv did not replay {len(plans)} episodes (exit code {done.returncode}):\n{done.stderr[-2000:]}")
        paths = []
        for number, plan in enumerate(plans):
            about = json.loads((Path(folder) / f"{number}.json").read_text())
            with np.load(Path(folder) / f"{number}.npz", allow_pickle=False) as arrays:
                write_recording(path_of(out, plan.episode), recording_of(plan, about, dict(arrays)))
            paths.append(path_of(out, plan.episode))
        return paths


def recording_of(plan: Plan, about: dict, arrays: dict[str, np.ndarray]) -> Recording:
    """What `replay` wrote, in the layout of `vlaser_core.data.states`."""
    frames, things = len(arrays["images"]), len(about["things"])
    photograph = Path(about["overlay"]).stem
    known = {about["source"], about["target"]} <= set(about["things"])
    return Recording(
        About(
            simulator="SimplerEnv",
            task=plan.episode.task,
            instruction=about["instruction"],
            things=tuple(about["things"]),
            domain="widowx, SimplerEnv",
            source=about["source"] if known else "",
            target=about["target"] if known else "",
            surface_height=about["surface_height"],
            complete=photograph in EMPTY_PHOTOGRAPHS,
        ),
        images=arrays["images"],
        shown=_shown(about, arrays),
        alone=arrays["alone"],
        poses=_vectors(arrays["poses"]).reshape(frames, things, 7),
        extents=arrays["extents"],
        held=np.where(arrays["held"].any(1), arrays["held"].argmax(1), -1)[:, None],
        support=np.where(arrays["held"], ON_NOTHING, arrays["support"]),
        grippers=np.concatenate([_vectors(arrays["tool"]), arrays["openness"][:, None]], axis=1)[:, None],
        camera=_square(arrays["camera"]),
        intrinsics=arrays["intrinsics"][0],
        attempt=np.array(
            [
                attempt(plan.actions[:steps, 6], arrays["held"][: index + 1].any(1), float(arrays["openness"][index]))
                for index, steps in enumerate(arrays["steps"])
            ]
        ),
        success=arrays["success"],
    )


def attempt(commands: np.ndarray, held: np.ndarray, openness: float) -> int:
    """What the robot has just tried, by its gripper's commands so far, whether it held anything in the frames so far, and how
    far its fingers are open now.

    0 not known; 1 it closed within the last actions; 2 it had hold of something before and is still told to hold; 3 it opened.
    """
    if len(commands) < 2:
        return 0
    changes = np.nonzero(np.diff(np.sign(commands)))[0]
    if not len(changes):
        return 0
    since, closed = len(commands) - 1 - int(changes[-1]), commands[-1] < 0
    if closed and openness > SHUT:
        return 0
    if closed:
        return 1 if SETTLED <= since <= SOON else 2 if since > SOON and held[:-1].any() else 0
    return 3 if SETTLED <= since <= SOON and held[:-1].any() else 0


def _shown(about: dict, arrays: dict[str, np.ndarray]) -> np.ndarray:
    actors = arrays["actors"]
    shown = np.full(actors.shape, NOTHING, np.uint8)
    level = np.abs(arrays["heights"] - about["surface_height"]) < LEVEL_M
    shown[np.isin(actors, about["surface_ids"]) & level] = TOP
    shown[np.isin(actors, about["robot_ids"])] = ARM
    shown[np.isin(actors, about["scenery_ids"])] = SCENERY
    for number, actor in enumerate(about["ids"]):
        shown[actors == actor] = FIRST + number
    return shown


def _vectors(poses: np.ndarray) -> np.ndarray:
    """Poses (…, 4, 4) as xyz and quaternion xyzw (n, 7)."""
    flat = poses.reshape(-1, 4, 4)
    return np.array([[*pose[:3, 3], *quaternion_from_matrix(pose[:3, :3])] for pose in flat])


def _square(camera: np.ndarray) -> np.ndarray:
    """(T, 4, 4) of extrinsics that may lack their last row."""
    result = np.tile(np.eye(4), (len(camera), 1, 1))
    result[:, : camera.shape[1]] = camera
    return result
