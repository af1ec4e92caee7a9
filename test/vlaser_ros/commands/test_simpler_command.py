"""`vlaser simpler` and `vlaser eval simpler` from the command line, against a stand-in checkout."""

from __future__ import annotations

import json

import av
import pytest

from vlaser_ros import cli

SPOON = "widowx_spoon_on_towel"


def run(capsys, *words: str) -> tuple[int, dict, str]:
    """Exit code, the JSON line on stdout, and stderr."""
    code = cli.run(words)
    shown = capsys.readouterr()
    return code, json.loads(shown.out.splitlines()[-1]) if shown.out else {}, shown.err


def test_an_evaluation_prints_its_summary_and_leaves_manifest_episodes_and_films(capsys, tmp_path, simpler_checkout):
    words = ("eval", "simpler", "--checkout", str(simpler_checkout), "--policy", "oracle", "--tasks", SPOON, "--episodes", "2")
    code, summary, _ = run(capsys, *words, "--workers", "2", "--videos", "--json", "--out", str(tmp_path))
    assert code == 0 and summary["mean_success"] == 1.0 and summary["tasks"][SPOON]["episodes"] == 2
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["simulator"]["renderer"] == "stand-in, no pixels of a GPU" and manifest["seeds"] == {"policy": 0, "simulator": [40194941]}
    assert any(name.endswith("bridge_table_1_v1.glb") for name in manifest["assets"]) and all(len(digest) == 64 for digest in manifest["assets"].values())
    assert len((tmp_path / "episodes.jsonl").read_text().splitlines()) == 2
    films = sorted((tmp_path / "videos").iterdir())
    assert [film.name.rsplit("__", 1)[1] for film in films] == ["success.mp4"] * 2
    with av.open(str(films[0])) as film:
        assert sum(1 for _ in film.decode(video=0)) == 61
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:video/mp4") == 2 and "mean of the tasks" in page and "published" in page
    # Taken up again nothing is left to do; another policy's run does not belong there.
    assert run(capsys, *words, "--videos", "--out", str(tmp_path))[1]["episodes"] == 2
    code, _, said = run_error(capsys, *words[:4], "--policy", "zero", "--tasks", SPOON, "--episodes", "2", "--out", str(tmp_path))
    assert code == 2 and "another evaluation (policy differ)" in said


def run_error(capsys, *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        cli.main(words)
    shown = capsys.readouterr()
    return end.value.code, shown.out, shown.err


def test_a_task_without_its_assets_is_refused_by_name(capsys, tmp_path, simpler_checkout):
    scene = simpler_checkout / "ManiSkill2_real2sim/data/hab2_bench_assets/stages/bridge_table_1_v2.glb"
    content = scene.read_bytes()
    scene.unlink()
    try:
        checkout = ("--checkout", str(simpler_checkout))
        code, _, said = run_error(capsys, "eval", "simpler", *checkout, "--policy", "zero", "--tasks", "widowx_put_eggplant_in_basket", "--out", str(tmp_path))
        assert code == 2 and "bridge_table_1_v2.glb: missing" in said and not (tmp_path / "manifest.json").exists()
        code, account, said = run(capsys, "simpler", "assets", *checkout, "--suites", "widowx")
        assert code == 1 and account["missing"] == 1 and "bridge_table_1_v2.glb: missing (needed by widowx_put_eggplant_in_basket)" in said
        assert run(capsys, "simpler", "assets", *checkout, "--suites", "widowx", "--tasks", SPOON, "--json")[0] == 0
    finally:
        scene.write_bytes(content)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--checkout", "/nowhere"), "recurse-submodules"),
        (("--tasks", "fly"), "known: widowx_spoon"),
        (("--workers", "0"), "at least one worker"),
        (("--episodes", "999"), "has 240 episodes"),
        (("--suite", "google_vm", "--tasks", "drawer", "--policy", "oracle", "--episodes", "1"), "opens no drawers"),
    ],
)
def test_what_cannot_be_evaluated_is_told_in_words(capsys, tmp_path, simpler_checkout, words, told):
    code, _, said = run_error(capsys, "eval", "simpler", "--checkout", str(simpler_checkout), "--policy", "zero", "--out", str(tmp_path), *words)
    assert code == 2 and told in said and "Traceback" not in said
