from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from vlaser_core.data.sources.scannet import ScanNet, direction
from vlaser_core.data.sources.scannet_scene import SEEN, UNSEEN, Scene
from vlaser_core.errors import InputError

WIDTH, HEIGHT, FOCAL = 320, 240, 160.0
TURN = np.array([[0.0, -1, 0, 2], [1, 0, 0, 1], [0, 0, 1, 0.5], [0, 0, 0, 1]])  # what axisAlignment undoes
# Boxes in the aligned room (z up): centre, size.
ROOM = {
    "table": ((3.0, 0.0, 0.5), (1.2, 0.8, 0.2)),
    "lamp": ((3.0, 1.5, 1.0), (0.2, 0.2, 0.6)),
    "sofa": ((3.0, -2.0, 0.5), (0.8, 1.6, 0.6)),
    "door": ((-3.0, 0.0, 1.0), (0.1, 0.9, 2.0)),
    "chair": ((2.0, 0.9, 0.4), (0.4, 0.4, 0.4)),
    "chair 2": ((2.0, -0.9, 0.4), (0.4, 0.4, 0.4)),
}


def surface(centre, size, rng, count=600):
    points = rng.uniform(-0.5, 0.5, (count, 3))
    axis = rng.integers(3, size=count)
    points[np.arange(count), axis] = np.sign(points[np.arange(count), axis]) * 0.5
    return points * size + centre


def pose(position, yaw):
    """Camera at a place, looking along yaw about z: columns are right, down and ahead."""
    ahead = np.array([np.cos(yaw), np.sin(yaw), 0])
    matrix = np.eye(4)
    matrix[:3, :3] = np.column_stack([np.cross(ahead, [0, 0, 1]), [0, 0, -1], ahead])
    matrix[:3, 3] = position
    return matrix


def depth_of(points, camera):
    seen = points @ np.linalg.inv(camera)[:3, :3].T + np.linalg.inv(camera)[:3, 3]
    seen = seen[seen[:, 2] > 0.1]
    u = (FOCAL * seen[:, 0] / seen[:, 2] + WIDTH / 2).astype(int)
    v = (FOCAL * seen[:, 1] / seen[:, 2] + HEIGHT / 2).astype(int)
    inside = (u >= 0) & (u < WIDTH) & (v >= 0) & (v < HEIGHT)
    depth = np.full((HEIGHT, WIDTH), np.inf)
    np.minimum.at(depth, (v[inside], u[inside]), seen[inside, 2])
    return np.where(np.isfinite(depth), depth * 1000, 0).astype(np.uint16)


def write_scan(root, kit, name="scene0000_00", views=None):
    """A scan in ScanNet's files, turned away from its axes as real ones are; views: camera poses in the aligned room."""
    rng = np.random.default_rng(0)
    parts = {label: surface(np.array(centre), np.array(size), rng) for label, (centre, size) in ROOM.items()}
    points = np.concatenate(list(parts.values()))
    segments = np.repeat(np.arange(len(parts)) * 10, [len(part) for part in parts.values()])
    folder = root / name
    (folder / "intrinsic").mkdir(parents=True)
    away = np.linalg.inv(TURN)
    raw = points @ away[:3, :3].T + away[:3, 3]
    (folder / f"{name}.txt").write_text(f"axisAlignment = {' '.join(map(str, TURN.ravel()))}\ncolorHeight = {HEIGHT}\n")
    vertices = np.zeros(len(raw), [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("r", "u1"), ("g", "u1"), ("b", "u1"), ("a", "u1")])
    vertices["x"], vertices["y"], vertices["z"] = raw.T
    names = "".join(f"property float {axis}\n" for axis in "xyz") + "".join(f"property uchar {part}\n" for part in ("red", "green", "blue", "alpha"))
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(raw)}\n{names}element face 0\nproperty list uchar int vertex_indices\nend_header\n"
    (folder / f"{name}_vh_clean_2.ply").write_bytes(header.encode() + vertices.tobytes())
    kit.write_json(folder / f"{name}_vh_clean_2.0.010000.segs.json", {"segIndices": segments.tolist()})
    groups = [{"id": k, "objectId": k, "segments": [k * 10], "label": label.split(" 2")[0]} for k, label in enumerate(parts)]
    kit.write_json(folder / f"{name}.aggregation.json", {"segGroups": groups})
    intrinsics = np.diag([FOCAL, FOCAL, 1, 1]).astype(float)
    intrinsics[:2, 2] = WIDTH / 2, HEIGHT / 2
    np.savetxt(folder / "intrinsic/intrinsic_color.txt", intrinsics)
    for frame, camera in enumerate([pose((0, 0, 1), 0.0)] * 3 if views is None else views):
        for part in ("pose", "depth", "color"):
            (folder / part).mkdir(exist_ok=True)
        if camera is None:
            (folder / f"pose/{frame}.txt").write_text("-inf -inf -inf -inf\n" * 4)
            camera = np.eye(4)
        else:
            np.savetxt(folder / f"pose/{frame}.txt", away @ camera)
        cv2.imwrite(str(folder / f"depth/{frame}.png"), depth_of(points, camera))
        kit.write_picture(folder / f"color/{frame}.jpg", width=WIDTH, height=HEIGHT)
    return folder


def test_a_scene_is_upright_and_knows_what_a_picture_shows(tmp_path, kit):
    scene = Scene(write_scan(tmp_path, kit))
    things = {thing.label: thing for thing in scene.things}
    np.testing.assert_allclose(things["table"].position, ROOM["table"][0], atol=0.02)
    np.testing.assert_allclose(things["sofa"].high - things["sofa"].low, ROOM["sofa"][1], atol=0.02)
    view = scene.view(0, WIDTH, HEIGHT)
    assert view.shown[things["lamp"].number] >= SEEN and view.shown[things["table"].number] >= SEEN
    assert view.shown[things["door"].number] < UNSEEN, "it is behind the camera"


def test_what_stands_before_a_thing_hides_it(tmp_path, kit):
    folder = write_scan(tmp_path, kit)
    depth = cv2.imread(str(folder / "depth/0.png"), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(folder / "depth/0.png"), np.where(depth > 0, 700, 0).astype(np.uint16))
    assert max(Scene(folder).view(0, WIDTH, HEIGHT).shown.values()) < UNSEEN


def texts(samples, family):
    return {sample.record.conversations[0].value.split("\n")[-1]: sample.record.conversations[1].value for sample in samples if sample.record.family == family}


def test_answers_are_those_of_the_room(tmp_path, kit):
    views = [pose((0, 0, 1), yaw) for yaw in (np.pi, 0.0, 0.5, -0.5)]
    write_scan(tmp_path, kit, views=views)
    samples = [sample for seed in range(8) for sample in kit.read_all(ScanNet(tmp_path, views=4, frames=4), seed)[0]]
    sizes = texts(samples, "size")
    assert 118 <= int(sizes["How long is the longest side of the table, in centimetres?"].split()[0]) <= 120
    for question, answer in texts(samples, "distance").items():
        if "the lamp" in question and "the table" in question:
            assert abs(float(answer.split()[0]) - np.hypot(1.0, 0.1)) < 0.15
    sides = texts(samples, "left_right")
    assert sides.get("Is the lamp to the left of the table?", "yes") == "yes" and sides.get("Is the table to the left of the lamp?", "no") == "no"
    assert any("lamp" in question and "table" in question for question in sides)
    assert texts(samples, "count") == {"How many of these are in the room: chair? Answer with a number.": "2"}
    assert all("chair" not in question for family in ("size", "nearer", "relative_direction") for question in texts(samples, family)), "which of the two?"
    assert len(texts(samples, "relative_direction")) >= 3


@pytest.mark.parametrize(
    ("target", "expected"),
    [((0.1, 2), "left"), ((0.1, -2), "right"), ((-2, 0), "behind"), ((3, 0.2), "in front"), ((2, 2), None), ((2, -1.7), None), ((0.3, 0.3), None)],
)
def test_directions_are_those_of_someone_standing_there_and_none_between_two(target, expected):
    stand, face = np.array([5.0, 1, 0]), np.array([9.0, 1, 1])
    assert direction(stand, face, stand + [*target, 0.3]) == expected
    turned = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    assert direction(turned @ stand, turned @ face, turned @ (stand + [*target, 0.3])) == expected


def test_things_appear_in_the_order_of_the_pictures(tmp_path, kit):
    write_scan(tmp_path, kit, views=[pose((0, 0, 1), yaw) for yaw in (np.pi, 1.1, -0.6)])
    samples, _ = kit.read_all(ScanNet(tmp_path, frames=3))
    for question, answer in texts(samples, "appearance_order").items():
        assert answer in ("door, lamp, sofa", "door, lamp, table") and all(label in question for label in answer.split(", "))
    assert texts(samples, "appearance_order")


def test_lost_poses_are_passed_over_and_broken_frames_and_scans_counted(tmp_path, kit):
    folder = write_scan(tmp_path, kit, views=[pose((0, 0, 1), 0.0), None, pose((0, 0, 1), 0.2)])
    (folder / "depth/2.png").write_bytes(b"")
    (write_scan(tmp_path, kit, "scene0001_00") / "scene0001_00.aggregation.json").unlink()
    third = write_scan(tmp_path, kit, "scene0002_00")
    (third / "scene0002_00_vh_clean_2.ply").write_bytes((third / "scene0002_00_vh_clean_2.ply").read_bytes()[:800])
    fourth = write_scan(tmp_path, kit, "scene0003_00")
    (fourth / "scene0003_00.txt").write_text("colorHeight = 240\n")
    samples, damage = kit.read_all(ScanNet(tmp_path, views=3, frames=3))
    assert {json.dumps(sample.record.images) for sample in samples} == {'["scannet/scene0000_00/color/0.jpg"]'}
    assert damage.counts == {
        "depth picture is missing or damaged": 2, "objects of the scan cannot be read": 1, "mesh cannot be read": 1, "scan is not aligned": 1,
    }  # fmt: skip


def test_an_empty_folder_says_what_to_get(tmp_path):
    with pytest.raises(InputError, match="SensReader"):
        ScanNet(tmp_path).units()
