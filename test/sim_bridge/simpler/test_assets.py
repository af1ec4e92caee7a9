from __future__ import annotations

import json
import struct

import pytest

from sim_bridge.simpler.assets import check, missing, required
from sim_bridge.simpler.installation import Installation
from sim_bridge.simpler.suites import SUITES, suite
from vlaser_core.errors import ConfigError

COLLADA = 'xmlns="http://www.collada.org/2005/11/COLLADASchema"'


@pytest.fixture
def place(tmp_path) -> Installation:
    """A checkout where nothing is there yet."""
    return Installation(tmp_path, tmp_path)


def fill(installation: Installation, episodes, content: dict[str, bytes] | None = None) -> None:
    """Write what is missing until nothing is."""
    while absent := missing(required(installation, episodes)):
        for file in absent:
            file.parent.mkdir(parents=True, exist_ok=True)
            empty = {".urdf": b"<robot/>", ".dae": f"<COLLADA {COLLADA}/>".encode(), ".json": b"{}", ".glb": glb({})}
            file.write_bytes((content or {}).get(file.name) or empty.get(file.suffix, b"x"))


def glb(content: dict) -> bytes:
    text = json.dumps(content).encode()
    return b"glTF" + struct.pack("<II", 2, 20 + len(text)) + struct.pack("<I4s", len(text), b"JSON") + text


def of(name: str, task: str):
    return [e for e in suite(name) if e.task == task]


def names(files) -> set[str]:
    return {file.name for file in files}


def test_every_environment_of_every_suite_has_known_assets(place):
    for name in SUITES:
        assert required(place, suite(name))


def test_a_missing_scene_is_refused_by_its_name_and_not_rendered_empty(place):
    spoons = of("widowx", "widowx_spoon_on_towel")
    fill(place, spoons)
    assert len(check(place, spoons)) == len(required(place, spoons))
    (place.data / "hab2_bench_assets/stages/bridge_table_1_v1.glb").unlink()
    with pytest.raises(ConfigError, match=r"1 of \d+ assets[\s\S]*bridge_table_1_v1.glb: missing \(needed by widowx_spoon_on_towel\)"):
        check(place, spoons)


def test_what_the_suites_show_is_asked_for(place):
    assert {"bridge_real_eval_1.png", "wx250s.urdf", "bridge_table_1_v1.glb", "info_bridge_custom_v0.json"} <= names(required(place, of("widowx", "widowx_carrot_on_plate")))
    basket = required(place, of("widowx", "widowx_put_eggplant_in_basket"))
    assert {"bridge_sink.png", "bridge_table_1_v2.glb"} <= names(basket) and {"eggplant", "sink"} <= {file.parent.name for file in basket}
    drawers = names(required(place, of("google_vm", "drawer")))
    assert {f"open_drawer_{row}{column}.png" for row in "abc" for column in "012"} <= drawers and "mk_station_recolor.urdf" in drawers
    assert not any(name.endswith(".glb") for name in drawers)  # a cabinet on a bare floor
    assert {"mk_station.urdf", "mk_station2.urdf", "mk_station3.urdf", "modern_office_no_roof.glb"} <= names(required(place, of("google_va", "drawer")))
    near = {file.parent.name for file in required(place, of("google_vm", "move_near"))}
    assert {"baked_opened_redbull_can", "blue_plastic_bottle", "baked_apple"} <= near
    colours = {name for name in names(required(place, of("google_vm", "pick_coke_can"))) if name.startswith("google_robot")}
    assert len(colours) == 4
    assert "opened_fanta_can" in {file.parent.name for file in required(place, of("google_va", "pick_coke_can"))}


def test_files_that_files_refer_to_are_asked_for_as_well(place):
    spoons = of("widowx", "widowx_spoon_on_towel")
    dae = f'<COLLADA {COLLADA}><library_images><image id="a"><init_from>spoon%20skin.png</init_from></image><image id="b"><init_from>unused.png</init_from></image></library_images><surface><init_from>a</init_from></surface></COLLADA>'
    content = {
        "wx250s.urdf": b'<robot><link><visual><geometry><mesh filename="meshes/base.obj"/></geometry></visual></link></robot>',
        "base.obj": b"mtllib base.mtl\nv 0 0 0\n",
        "base.mtl": b"newmtl a\nmap_Kd black.png\n",
        "textured.dae": dae.encode(),
        "collision.obj": b"mtllib collision.mtl\nv 0 0 0\n",
        "bridge_table_1_v1.glb": glb({"images": [{"uri": "wood.png"}, {"bufferView": 1}, {"uri": "data:image/png;base64,AA"}]}),
        "info_bridge_custom_v0.json": b'{"bridge_spoon_generated_modified": {}, "also_listed": {}}',
    }
    fill(place, spoons, content)
    found = names(required(place, spoons))
    assert {"base.obj", "base.mtl", "black.png", "spoon skin.png", "wood.png"} <= found
    assert "unused.png" not in found and "collision.mtl" not in found
    # The environment asks for the collision mesh of every object on its list.
    assert place.data / "custom/models/also_listed/collision.obj" in required(place, spoons)


def test_a_pointer_or_an_empty_file_is_not_the_asset(place):
    spoons = of("widowx", "widowx_spoon_on_towel")
    fill(place, spoons)
    stage = place.data / "hab2_bench_assets/stages/bridge_table_1_v1.glb"
    stage.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5000000\n")
    (place.data / "real_inpainting/bridge_real_eval_1.png").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"LFS pointer[\s\S]*real_eval_1.png: empty") as told:
        check(place, spoons)
    assert "2 of" in str(told.value)


def test_a_file_that_cannot_be_read_for_its_references_is_named(place):
    spoons = of("widowx", "widowx_spoon_on_towel")
    fill(place, spoons)
    (place.data / "hab2_bench_assets/stages/bridge_table_1_v1.glb").write_bytes(b"half a file, no more")
    with pytest.raises(ConfigError, match="bridge_table_1_v1.glb"):
        check(place, spoons)


def test_digests_change_with_the_files(place):
    spoons = of("widowx", "widowx_spoon_on_towel")
    fill(place, spoons)
    before = check(place, spoons)
    picture = place.data / "real_inpainting/bridge_real_eval_1.png"
    picture.write_bytes(b"another picture")
    after = check(place, spoons)
    key = str(picture.relative_to(place.checkout))
    assert before[key] != after[key] and {name: value for name, value in before.items() if name != key} == {name: value for name, value in after.items() if name != key}
