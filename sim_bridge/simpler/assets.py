"""Which files of a checkout an episode needs, and whether they are there.

The simulator logs a missing scene and renders an empty room; a missing texture it replaces by grey. Here every file is
named beforehand: the scene, the photograph behind it, the robot's description, the cabinet's, the lists of objects, the
objects' meshes, and whatever those files refer to in turn.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

from sim_bridge.simpler.installation import Installation
from sim_bridge.simpler.suites import Episode
from vlaser_core.errors import ConfigError

VISUALS = ("textured.obj", "textured.dae", "textured.glb")  # the first that is there is drawn
LFS = b"version https://git-lfs"
PICKS, PICKS_BAKED, PICKS_BAKED_2 = "info_pick_custom_v0.json", "info_pick_custom_baked_tex_v0.json", "info_pick_custom_baked_tex_v1.json"
BRIDGE, BRIDGE_BAKED = "info_bridge_custom_v0.json", "info_bridge_custom_baked_tex_v0.json"
CAN = ("opened_coke_can",)
NEAR = ("blue_plastic_bottle", "opened_pepsi_can", "orange", "opened_7up_can", "apple", "sponge", "opened_coke_can", "opened_redbull_can")
NEAR_BAKED = tuple(name if name in ("blue_plastic_bottle", "orange") else f"baked_{name}" for name in NEAR)
DISTRACTORS = {
    "less": ("opened_pepsi_can", "apple", "sponge", "orange"),
    "more": ("opened_7up_can", "opened_sprite_can", "sponge", "orange", "opened_fanta_can", "bridge_spoon_generated_modified"),
}
# Environment → list of objects it reads, objects it shows. Of every object on a list that `model_ids` does not restrict, the
# collision mesh must be there as well: the environment asks for it.
OBJECTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "PutSpoonOnTableClothInScene-v0": (BRIDGE, ("bridge_spoon_generated_modified", "table_cloth_generated_shorter")),
    "PutCarrotOnPlateInScene-v0": (BRIDGE, ("bridge_carrot_generated_modified", "bridge_plate_objaverse_larger")),
    "StackGreenCubeOnYellowCubeBakedTexInScene-v0": (BRIDGE_BAKED, ("baked_green_cube_3cm", "baked_yellow_cube_3cm")),
    "PutEggplantInBasketScene-v0": (BRIDGE, ("eggplant", "dummy_sink_target_plane", "sink")),
    "GraspSingleOpenedCokeCanInScene-v0": (PICKS, CAN),
    "GraspSingleOpenedCokeCanDistractorInScene-v0": (PICKS, CAN),
    "GraspSingleOpenedCokeCanAltGoogleCameraInScene-v0": (PICKS, CAN),
    "GraspSingleOpenedCokeCanAltGoogleCamera2InScene-v0": (PICKS, CAN),
    "MoveNearGoogleInScene-v0": (PICKS, NEAR),
    "MoveNearAltGoogleCameraInScene-v0": (PICKS, NEAR),
    "MoveNearAltGoogleCamera2InScene-v0": (PICKS, NEAR),
    "MoveNearGoogleBakedTexInScene-v0": (PICKS_BAKED, NEAR_BAKED),
    **{f"{verb}{drawer}DrawerCustomInScene-v0": (PICKS, ()) for verb in ("Open", "Close") for drawer in ("Top", "Middle", "Bottom")},
    **{f"PlaceIntoClosed{drawer}DrawerCustomInScene-v0": (PICKS_BAKED_2, ()) for drawer in ("Top", "Middle", "Bottom")},
}


def required(installation: Installation, episodes: Iterable[Episode]) -> dict[Path, tuple[str, ...]]:
    """Every file the episodes need → the tasks that need it. Files named by files that are missing cannot be known."""
    needed: dict[Path, set[str]] = {}
    closures: dict[Path, list[Path]] = {}
    for episode in {(episode.task, episode.env_id, repr(episode.build)): episode for episode in episodes}.values():
        for root in _roots(installation, episode):
            if root not in closures:
                closures[root] = _closure(root)
            for file in closures[root]:
                needed.setdefault(file, set()).add(episode.task)
    return {file: tuple(sorted(needed[file])) for file in sorted(needed)}


def missing(files: dict[Path, tuple[str, ...]]) -> dict[Path, str]:
    """Files that are not there, or only as a pointer of Git LFS → why, for a person."""
    wrong = {}
    for file, tasks in files.items():
        why = "missing" if not file.is_file() else "empty" if not file.stat().st_size else "a Git LFS pointer; run `git lfs pull`" if _is_pointer(file) else ""
        if why:
            wrong[file] = f"{why} (needed by {', '.join(tasks)})"
    return wrong


def check(installation: Installation, episodes: Iterable[Episode]) -> dict[str, str]:
    """SHA-256 of every file the episodes need, by its path in the checkout. Raises ConfigError naming all that are missing."""
    files = required(installation, episodes)
    if wrong := missing(files):
        lines = [f"  {file.relative_to(installation.checkout)}: {why}" for file, why in wrong.items()]
        raise ConfigError(f"{len(wrong)} of {len(files)} assets are not there in {installation.checkout}; nothing is rendered without them:\n" + "\n".join(lines))
    return {str(file.relative_to(installation.checkout)): _digest(file, file.stat().st_size, file.stat().st_mtime_ns) for file in files}


def _roots(installation: Installation, episode: Episode) -> list[Path]:
    """Files that the environment itself opens."""
    data, build = installation.data, dict(episode.build)
    if episode.env_id not in OBJECTS:
        raise ConfigError(f"the assets of {episode.env_id!r} are not known here")
    roots = []
    listed, shown = OBJECTS[episode.env_id]
    if episode.robot.contract == "widowx":
        eggplant = episode.env_id == "PutEggplantInBasketScene-v0"
        scene, picture = ("bridge_table_1_v2", "bridge_sink") if eggplant else ("bridge_table_1_v1", "bridge_real_eval_1")
        roots += [installation.descriptions / "widowx_description" / "wx250s.urdf", data / "real_inpainting" / f"{picture}.png"]
    else:
        scene, version = str(build["scene_name"]), build.get("urdf_version", "")
        name = "google_robot_meta_sim_fix_wheel_fix_fingertip"
        roots.append(installation.descriptions / "googlerobot_description" / f"{name}{f'_{version}' if version else ''}.urdf")
        if "rgb_overlay_path" in build:
            roots.append(Path(str(build["rgb_overlay_path"]).replace("{data}", str(data))))
    if "dummy" not in scene:
        roots.append(data / "hab2_bench_assets" / "stages" / f"{scene}.glb")
    if "Drawer" in episode.env_id:
        roots.append(data / "custom" / f"{build.get('station_name', 'mk_station')}.urdf")
    if "Distractor" in episode.env_id:
        shown += DISTRACTORS[str(build.get("distractor_config", "less"))]
    if "model_ids" in build:
        shown += (str(build["model_ids"]),)
    roots.append(data / "custom" / listed)
    # The can's environments restrict their list to the can, whatever lies beside it.
    if "model_ids" not in build and not episode.env_id.startswith("GraspSingleOpened"):
        roots += [data / "custom" / "models" / model / "collision.obj" for model in _models(data / "custom" / listed)]
    for model in shown:
        folder = data / "custom" / "models" / model
        roots += [folder / "collision.obj", next((folder / name for name in VISUALS if (folder / name).is_file()), folder / "textured.dae")]
    return roots


def _models(listed: Path) -> tuple[str, ...]:
    try:
        return tuple(json.loads(listed.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return ()  # the list itself is reported as missing


def _closure(root: Path) -> list[Path]:
    """A file and all it refers to, directly or not."""
    found, ahead = {root: None}, [root]
    while ahead:
        for reference in _references(ahead.pop()):
            if reference not in found:
                found[reference] = None
                ahead.append(reference)
    return list(found)


def _references(file: Path) -> list[Path]:
    """Files that a URDF, OBJ, MTL, DAE or GLB names, beside itself."""
    reader = {".urdf": _of_urdf, ".obj": _of_obj, ".mtl": _of_mtl, ".dae": _of_dae, ".glb": _of_glb}.get(file.suffix.lower())
    if reader is None or not file.is_file() or _is_pointer(file):
        return []
    try:
        names = reader(file)
    except (ElementTree.ParseError, ValueError, struct.error, KeyError) as error:
        raise ConfigError(f"cannot read {file} to see what it refers to: {error}") from error
    return list(dict.fromkeys((file.parent / unquote(name.replace("\\", "/"))).resolve() for name in names if name and not name.startswith("data:")))


def _of_urdf(file: Path) -> list[str]:
    tree = ElementTree.parse(file)
    return [mesh.get("filename", "").removeprefix("file://").removeprefix("package://") for mesh in tree.iter("mesh")]


def _of_obj(file: Path) -> list[str]:
    if file.name.startswith("collision"):
        return []  # collides and is never drawn: the materials it names are nobody's loss
    with file.open("rb") as lines:
        return [line[7:].decode(errors="replace").strip() for line in lines if line.startswith(b"mtllib ")]


def _of_mtl(file: Path) -> list[str]:
    return [line.split()[-1] for line in file.read_text(errors="replace").splitlines() if re.match(r"\s*(map_\w+|bump|disp|decal|refl)\s", line)]


def _of_dae(file: Path) -> list[str]:
    """Pictures that a material of the file really shows: exporters leave the names of others behind."""
    namespace = "{http://www.collada.org/2005/11/COLLADASchema}"
    tree = ElementTree.parse(file)
    shown = {surface.text for surface in tree.iter(f"{namespace}init_from") if surface.text}
    images = {image.get("id"): image.findtext(f"{namespace}init_from") for image in tree.iter(f"{namespace}image")}
    return [name.removeprefix("file://") for key, name in images.items() if name and key in shown]


def _of_glb(file: Path) -> list[str]:
    with file.open("rb") as stream:
        magic, _, _ = struct.unpack("<4sII", stream.read(12))
        length, kind = struct.unpack("<I4s", stream.read(8))
        if magic != b"glTF" or kind != b"JSON":
            raise ValueError("it is no binary glTF file")
        content = json.loads(stream.read(length))
    return [part["uri"] for part in (*content.get("images", ()), *content.get("buffers", ())) if "uri" in part]


def _is_pointer(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(len(LFS)) == LFS


@lru_cache(maxsize=4096)
def _digest(file: Path, size: int, modified: int) -> str:
    """size and modified: a changed file is read again."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
