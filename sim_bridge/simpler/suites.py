"""The suites of the published evaluations as explicit lists of episodes: what is built, how it begins, how long it lasts.

    episodes = suite("widowx")            # 960: four tasks of 24 layouts, ten times each

`widowx` is SimplerEnv's prepackaged Bridge set; `google_vm` and `google_va` are its visual matching and variant aggregation
for the Google robot: the episodes of SimplerEnv's own scripts, with the drawers that Vlaser's evaluation added to the apple task.
Two faults of that evaluation are not repeated; docs/simpler.md says what differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product

import numpy as np
from transforms3d.euler import euler2quat
from transforms3d.quaternions import qmult

from vlaser_core.errors import InputError

# The first draw of the generator (seed 2022) that every environment begins with: what SimplerEnv's scripts, which build an
# environment an episode and name no seed, have always run with. Layouts are explicit; distractors alone are drawn from it.
SEED = 40194941
REPEATS = 10  # of each of the 24 WidowX layouts: only the policy's noise differs

GOOGLE_CONTROL = "arm_pd_ee_delta_pose_align_interpolate_by_planner_gripper_pd_joint_target_delta_pos_interpolate_by_planner"
GOOGLE = {"robot": "google_robot_static", "control_freq": 3, "sim_freq": 513, "control_mode": GOOGLE_CONTROL, "camera_cfgs": {"add_segmentation": True}}
COUNTER = "google_pick_coke_can_1_v4"
COUNTER_BACKGROUNDS = (f"{COUNTER}_alt_background", f"{COUNTER}_alt_background_2")
TABLETOPS = ("Baked_sc1_staging_objaverse_cabinet1_h870", "Baked_sc1_staging_objaverse_cabinet2_h870")
LIGHTS = ("slightly_darker_lighting", "slightly_brighter_lighting")
APARTMENT, ROOMS = "frl_apartment_stage_simple", ("modern_bedroom_no_roof", "modern_office_no_roof")
# Colours of the arm; none: as the robot's own description has it.
ARMS = ("", "recolor_tabletop_visual_matching_1", "recolor_tabletop_visual_matching_2", "recolor_cabinet_visual_matching_1")
ORIENTATIONS = ("lr_switch", "upright", "laid_vertically")
DRAWERS = ("Top", "Middle", "Bottom")
# Where the robot stands before the cabinet, and which photograph lies behind: x, y (m), yaw (rad).
STANDS = {
    "a0": (0.644, -0.179, -0.03),
    "a1": (0.765, -0.182, -0.02),
    "a2": (0.889, -0.203, -0.06),
    "b0": (0.652, 0.009, 0.0),
    "b1": (0.752, 0.009, 0.0),
    "b2": (0.851, 0.035, 0.0),
    "c0": (0.665, 0.224, 0.0),
    "c1": (0.765, 0.222, -0.025),
    "c2": (0.865, 0.222, -0.025),
}


@dataclass(frozen=True)
class Robot:
    """camera: SimplerEnv's name of the one the policy looks through. contract: the embodiment's name."""

    contract: str
    camera: str


WIDOWX, GOOGLE_ROBOT = Robot("widowx", "3rd_view_camera"), Robot("google_robot", "overhead_camera")


@dataclass(frozen=True)
class Episode:
    """One rollout. number: in its suite, from 0; variant: what it varies, for tables; layout: which of the variant's starts.

    build and reset are SimplerEnv's own options ({data}: its folder of assets); max_steps: the environment's limit.
    """

    suite: str
    number: int
    task: str
    variant: str
    layout: str
    env_id: str
    max_steps: int
    robot: Robot
    build: Mapping[str, object] = field(default_factory=dict)
    reset: Mapping[str, object] = field(default_factory=dict)
    seed: int = SEED

    @property
    def name(self) -> str:
        """Unique in the suite, for people and files."""
        return f"{self.task}/{self.variant}/{self.layout}"


def _standing(x: float, y: float, yaw: float = 0.0) -> dict:
    """Where a robot stands that looks along −x of the room."""
    return {"robot_init_options": {"init_xy": [x, y], "init_rot_quat": qmult(euler2quat(0, 0, yaw), [0.0, 0.0, 0.0, 1.0]).tolist()}}


def _grid(xs: tuple[float, float, int], ys: tuple[float, float, int]) -> Iterator[tuple[float, float]]:
    return product(np.linspace(*xs).tolist(), np.linspace(*ys).tolist())


def _overlay(picture: str) -> dict:
    """A photograph behind what is simulated."""
    return {"rgb_overlay_path": f"{{data}}/real_inpainting/{picture}.png", "rgb_overlay_cameras": [GOOGLE_ROBOT.camera]}


def _arm(urdf: str) -> dict:
    # No version is no option: SimplerEnv would look for a description named by the word it is given.
    return {"urdf_version": urdf} if urdf else {}


def _label(urdf: str) -> str:
    return urdf.removeprefix("recolor_").replace("_visual_matching_", "_") or "own_colours"


def _widowx() -> Iterator[Episode]:
    for task, env_id, steps in (
        ("widowx_spoon_on_towel", "PutSpoonOnTableClothInScene-v0", 60),
        ("widowx_carrot_on_plate", "PutCarrotOnPlateInScene-v0", 60),
        ("widowx_stack_cube", "StackGreenCubeOnYellowCubeBakedTexInScene-v0", 60),
        ("widowx_put_eggplant_in_basket", "PutEggplantInBasketScene-v0", 120),
    ):
        for episode in range(24 * REPEATS):
            reset = {"obj_init_options": {"episode_id": episode}}
            yield Episode("widowx", 0, task, "visual_matching", f"{episode:03d}", env_id, steps, WIDOWX, {"prepackaged_config": True}, reset)


def _coke(suite: str, variant: str, orientation: str, build: dict, env: str = "") -> Iterator[Episode]:
    env_id = f"GraspSingleOpenedCokeCan{env}InScene-v0"
    for x, y in _grid((-0.35, -0.12, 5), (-0.02, 0.42, 5)):
        reset = {**_standing(0.35, 0.20), "obj_init_options": {"init_xy": [x, y]}}
        options = {**GOOGLE, "scene_name": COUNTER, orientation: True, **build}
        yield Episode(suite, 0, "pick_coke_can", f"{variant}/{orientation}", f"{x:+.4f}{y:+.4f}", env_id, 80, GOOGLE_ROBOT, options, reset)


def _near(suite: str, variant: str, env_id: str, build: dict) -> Iterator[Episode]:
    for episode in range(60):
        reset = {**_standing(0.35, 0.21, -0.09), "obj_init_options": {"episode_id": episode}}
        options = {**GOOGLE, "scene_name": COUNTER, **build}
        yield Episode(suite, 0, "move_near", variant, f"{episode:02d}", env_id, 80, GOOGLE_ROBOT, options, reset)


def _drawers(suite: str, variant: str, place: str, stand: tuple[float, ...], build: dict) -> Iterator[Episode]:
    for verb, drawer in product(("Open", "Close"), DRAWERS):
        env_id = f"{verb}{drawer}DrawerCustomInScene-v0"
        options = {**GOOGLE, "shader_dir": "rt", **build}
        layout = f"{verb.lower()}_{drawer.lower()}_{place}"
        yield Episode(suite, 0, "drawer", variant, layout, env_id, 113, GOOGLE_ROBOT, options, _standing(*stand))


def _apple(suite: str, variant: str, place: str, stand: tuple[float, ...], drawer: str, model: str, build: dict) -> Iterator[Episode]:
    for x, y in _grid((-0.08, -0.02, 3), (-0.02, 0.08, 3)):
        reset = {**_standing(*stand), "obj_init_options": {"init_xy": [x, y]}}
        options = {**GOOGLE, "shader_dir": "rt", "model_ids": model, **build}
        layout = f"{drawer.lower()}_{place}_{x:+.3f}{y:+.3f}"
        yield Episode(suite, 0, "place_apple", variant, layout, f"PlaceIntoClosed{drawer}DrawerCustomInScene-v0", 200, GOOGLE_ROBOT, options, reset)


def _google_vm() -> Iterator[Episode]:
    suite = "google_vm"
    for urdf, orientation in product(ARMS, ORIENTATIONS):
        yield from _coke(suite, _label(urdf), orientation, {**_overlay("google_coke_can_real_eval_1"), **_arm(urdf)})
    for urdf in ARMS:
        build = {**_overlay("google_move_near_real_eval_1"), **_arm(urdf)}
        yield from _near(suite, _label(urdf), "MoveNearGoogleBakedTexInScene-v0", build)
    cabinet = {"scene_name": "dummy_drawer", "station_name": "mk_station_recolor", "light_mode": "simple", "disable_bad_material": True}
    for urdf, (place, stand) in product(ARMS, STANDS.items()):
        yield from _drawers(suite, _label(urdf), place, stand, {**cabinet, **_overlay(f"open_drawer_{place}"), **_arm(urdf)})
    for urdf, drawer, place in product(ARMS, DRAWERS, ("a0", "b0", "c0")):
        build = {**cabinet, **_overlay(f"open_drawer_{place}"), **_arm(urdf)}
        yield from _apple(suite, f"{_label(urdf)}/{drawer.lower()}", place, STANDS[place], drawer, "baked_apple_v2", build)


def _google_va() -> Iterator[Episode]:
    suite = "google_va"
    for orientation in ORIENTATIONS:
        yield from _coke(suite, "base", orientation, {})
        for scene in TABLETOPS:
            yield from _coke(suite, f"tabletop/{scene.split('_')[4]}", orientation, {"scene_name": scene})
        yield from _coke(suite, "distractors/less", orientation, {}, "Distractor")
        yield from _coke(suite, "distractors/more", orientation, {"distractor_config": "more"}, "Distractor")
        for index, scene in enumerate(COUNTER_BACKGROUNDS, 1):
            yield from _coke(suite, f"background/{index}", orientation, {"scene_name": scene})
        for light in LIGHTS:
            yield from _coke(suite, f"light/{light.split('_')[1]}", orientation, {light: True})
        for index, camera in enumerate(("AltGoogleCamera", "AltGoogleCamera2"), 1):
            yield from _coke(suite, f"camera/{index}", orientation, {}, camera)
    plain = "MoveNearGoogleInScene-v0"
    yield from _near(suite, "base", plain, {})
    yield from _near(suite, "distractors/none", plain, {"no_distractor": True})
    for index, scene in enumerate(COUNTER_BACKGROUNDS, 1):
        yield from _near(suite, f"background/{index}", plain, {"scene_name": scene})
    for light in LIGHTS:
        yield from _near(suite, f"light/{light.split('_')[1]}", plain, {light: True})
    for scene in TABLETOPS:
        yield from _near(suite, f"tabletop/{scene.split('_')[4]}", plain, {"scene_name": scene})
    for index, camera in enumerate(("AltGoogleCamera", "AltGoogleCamera2"), 1):
        yield from _near(suite, f"camera/{index}", f"MoveNear{camera}InScene-v0", {})
    for variant, build in _rooms():
        for index, (x, y) in enumerate(_grid((0.65, 0.85, 3), (-0.2, 0.2, 3))):
            yield from _drawers(suite, variant, str(index), (x, y), build)
    for variant, build in _rooms():
        for index, y in enumerate(np.linspace(-0.2, 0.2, 3).tolist()):
            yield from _apple(suite, variant, str(index), (0.65, y), "Top", "apple", build)


def _rooms() -> Iterator[tuple[str, dict]]:
    yield "base", {"scene_name": APARTMENT}
    for scene in ROOMS:
        yield f"background/{scene.split('_')[1]}", {"scene_name": scene}
    for light in ("brighter", "darker"):
        yield f"light/{light}", {"scene_name": APARTMENT, "light_mode": light}
    for station in ("mk_station2", "mk_station3"):
        yield f"station/{station}", {"scene_name": APARTMENT, "station_name": station}


SUITES = {"widowx": _widowx, "google_vm": _google_vm, "google_va": _google_va}


def suite(name: str) -> list[Episode]:
    """Every episode of a suite, numbered in its order. Raises InputError naming the known ones."""
    if name not in SUITES:
        raise InputError(f"unknown suite {name!r}; known: {', '.join(SUITES)}")
    return list(_numbered(name))


@cache
def _numbered(name: str) -> tuple[Episode, ...]:
    return tuple(replace(episode, number=number) for number, episode in enumerate(SUITES[name]()))


def tasks_of(name: str) -> tuple[str, ...]:
    """The tasks of a suite, in its order."""
    return tuple(dict.fromkeys(episode.task for episode in suite(name)))
