from __future__ import annotations

from xml.etree import ElementTree

from vlaser_ros.cli import run


def test_the_urdf_goes_to_standard_output_and_what_is_missing_beside_it(capsys):
    assert run(["urdf", "aloha"]) == 0
    told = capsys.readouterr()
    assert ElementTree.fromstring(told.out.encode()).get("name") == "aloha"
    assert "cam_left_wrist" in told.err and "fov_y_deg" not in told.err and "position" in told.err


def test_the_urdf_is_written_without_cameras_where_their_driver_has_them(tmp_path, capsys):
    file = tmp_path / "arm.urdf"
    assert run(["urdf", "widowx", "--no-cameras", "--out", str(file)]) == 0
    assert "left_finger" in file.read_text() and "camera" not in file.read_text().replace('name="camera"', "")
    assert capsys.readouterr().out == ""


def test_a_place_that_cannot_be_written_is_told_in_one_line(tmp_path, capsys):
    assert run(["urdf", "widowx", "--out", str(tmp_path / "nowhere" / "arm.urdf")]) == 2
    assert "cannot write" in capsys.readouterr().err
