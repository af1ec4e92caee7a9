from __future__ import annotations

import io

import av
import numpy as np
import pytest
from PIL import Image

from vlaser_core.data.sources.spar import Spar, Vsi
from vlaser_core.errors import InputError


def spar_item(kit, kind="depth_prediction_oo", images=1, **markers):
    names = [f"scene0001_00/{index}.jpg" for index in range(images)]
    return {"id": f"{kind}_0", "type": kind, "image": names, "conversations": kit.talk("<image>\nWhich is nearer?", "The red point.")} | markers


def write_spar(root, kit, items, kind="depth_prediction_oo"):
    kit.write_json(root / f"scannet/qa_jsonl/train/{kind}/fill/fill_{len(items)}.jsonl", items, lines=True)
    for index in range(12):
        kit.write_picture(root / f"scannet/images/scene0001_00/{index}.jpg", width=200, height=100, colour=(255, 255, 255))
    return Spar(root)


def pixels(sample, index=0):
    return np.asarray(Image.open(io.BytesIO(sample.pictures[index].data)).convert("RGB")).astype(int)


def test_markers_are_drawn_where_the_item_says(tmp_path, kit):
    source = write_spar(tmp_path, kit, [spar_item(kit, red_point=[[250, 500]], blue_point=[[750, 500]]), spar_item(kit, red_bbox=[[100, 100, 300, 900]])])
    samples, damage = kit.read_all(source)
    assert not damage.counts
    red, blue = pixels(samples[0])[50, 50], pixels(samples[0])[50, 150]
    assert red[0] > 200 > 80 > red[2] and blue[2] > 200 > 80 > blue[0]
    edge, inside = pixels(samples[1])[50, 20], pixels(samples[1])[50, 40]
    assert edge[0] - edge[1] > 60 and inside.min() > 220
    assert samples[0].record.conversations[0].value == "<image>\nWhich is nearer?"
    assert samples[0].record.images != samples[1].record.images, "differently marked pictures are different pictures"


def test_points_go_to_the_picture_they_belong_to(tmp_path, kit):
    item = spar_item(kit, "depth_prediction_oo_mv", 3, red_point=[[500, 500]], blue_point=[[500, 500]], point_img_idx=[[2, 0]])
    (sample,), damage = kit.read_all(write_spar(tmp_path, kit, [item]))
    assert not damage.counts
    centres = [pixels(sample, index)[50, 100] for index in range(3)]
    assert centres[0][2] > 200 > 100 > centres[0][0] and centres[1].min() > 220 and centres[2][0] > 200 > 100 > centres[2][2]
    assert sample.record.images[1] == "spar/scannet/scene0001_00/1.jpg", "an unmarked picture stays the published file"


def test_long_videos_are_thinned_and_what_cannot_be_marked_is_counted(tmp_path, kit):
    items = [
        spar_item(kit, "room_size", 12),
        spar_item(kit, "obj_spatial_relation_oo_mv", 3, red_bbox=[[1, 1, 9, 9]]),
        spar_item(kit, red_point=[[1400, 20]]),
        spar_item(kit, "depth_prediction_oo_mv", 2, red_point=[[1, 1]]),
        spar_item(kit, images=0),
    ]
    samples, damage = kit.read_all(write_spar(tmp_path, kit, items))
    assert len(samples) == 1 and len(samples[0].record.images) == 10 and samples[0].record.images[-1].endswith("/11.jpg")
    assert damage.counts == {
        "box markers over several pictures": 1, "marker outside the picture": 1, "marker cannot be placed": 1, "item names no pictures": 1,
    }  # fmt: skip


def write_video(path, frames):
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), index * 10, np.uint8), format="rgb24")))
        container.mux(stream.encode(None))


def test_a_video_is_seen_through_evenly_spread_frames(tmp_path, kit):
    kit.write_picture(tmp_path / "images/a.jpg")
    write_video(tmp_path / "scannet/scene.mp4", 21)
    rows = [
        {"video": "scannet/scene.mp4", "question_type": "object_counting", "conversations": kit.talk("<image>\nThese are frames of a video.\nHow many?", "3")},
        {"image": "images/a.jpg", "question_type": "object_rel_distance", "conversations": kit.talk("<image>\nWhich?", "B")},
        {"video": "scannet/none.mp4", "conversations": kit.talk("?", "x")},
        {"conversations": kit.talk("?", "x")},
    ]
    kit.write_json(tmp_path / "vsi_590k.jsonl", rows, lines=True)
    samples, damage = kit.read_all(Vsi(tmp_path, frames=5))
    levels = [pixels(samples[0], index).mean() for index in range(5)]
    np.testing.assert_allclose(levels, [0, 50, 100, 150, 200], atol=6)
    assert [sample.record.family for sample in samples] == ["object_counting", "object_rel_distance"]
    assert damage.counts == {"video is missing": 1, "item names no pictures": 1}


@pytest.mark.parametrize("source", [Spar, Vsi])
def test_an_empty_folder_says_what_to_get(tmp_path, source):
    with pytest.raises(InputError, match="Hugging Face"):
        source(tmp_path).units()
