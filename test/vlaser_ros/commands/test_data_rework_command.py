"""`vlaser data label | judge | clean | blocklist`, as a person types them."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from vlaser_core.data.shards import RecordSet
from vlaser_ros.cli import run


@pytest.fixture
def endpoint():
    """(address, bodies that came): writes when it is asked to write, and judges by turns 3, 2, 1 and not at all."""
    asked: list[str] = []
    scores = ["3", "2", "1", "Hard to say."]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            prompt = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"][-1]["content"][-1]["text"]
            asked.append(prompt)
            judged = sum("Write the score" in each for each in asked)
            text = scores[judged % 4] if "Write the score" in prompt else f"Question: What is number {len(asked)}?\nAnswer: Noise."
            content = json.dumps(
                {"choices": [{"message": {"content": text}}], "usage": {"prompt_tokens": 50, "completion_tokens": 5}}
            ).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            return

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}/v1", asked
    http.shutdown()
    http.server_close()


@pytest.fixture
def writer(endpoint, tmp_path):
    path = tmp_path / "writer.yaml"
    path.write_text(f"model: fake\nendpoint: {endpoint[0]}\nconcurrency: 1\nattempts: 1\ntimeout: 5.0\n")
    return str(path)


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(8):
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (60, 80, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return folder


def vlaser(capsys, *words: object) -> dict:
    assert run([str(word) for word in ("data", *words)]) == 0
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def test_pictures_are_labelled_judged_and_cleaned_by_four_commands(pictures, writer, endpoint, tmp_path, capsys):
    cache = ("--cache", tmp_path / "cache")
    told = vlaser(
        capsys,
        "label",
        pictures,
        "--writer",
        writer,
        "--families",
        "general",
        "spatial",
        "--out",
        tmp_path / "a",
        "--licence",
        "CC0-1.0",
        *cache,
    )
    assert told["records"] == 16 and told["spent"] == {"requests": 16, "tokens": 880, "money": 0.0, "longest_prompt": 50}
    assert {record.licence for record in RecordSet(tmp_path / "a")} == {"CC0-1.0"}

    told = vlaser(capsys, "judge", tmp_path / "a", "--judge", writer, "--out", tmp_path / "b", "--split", *cache)
    assert {name: told[name] for name in ("score1", "score2", "score3", "unreadable")} == dict.fromkeys(
        ("score1", "score2", "score3", "unreadable"), 4
    )
    assert len(endpoint[1]) == 32
    told = vlaser(capsys, "judge", tmp_path / "a", "--judge", writer, "--out", tmp_path / "c", "--min-score", 2, *cache)
    assert (
        told["records"] == 8
        and told["left_out"] == {"judge": {"score 1": 4, "no score can be read in the reply": 4}}
        and len(endpoint[1]) == 32
    )

    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "stolen.jpg").write_bytes(b"")
    Image.open(pictures / "3.png").save(tmp_path / "bench" / "stolen.jpg", quality=95)
    told = vlaser(capsys, "blocklist", tmp_path / "bench", "--out", tmp_path / "bench.json")
    assert told["name"] == "bench" and told["pictures"] == 1
    told = vlaser(capsys, "clean", tmp_path / "a", "--out", tmp_path / "d", "--benchmarks", tmp_path / "bench.json", "--workers", 0)
    assert told["read"] == 16 and told["records"] == 14 and told["left_out"] == {"decontaminate": {"a picture of bench": 2}}
    assert json.loads((tmp_path / "d" / "report.json").read_text())["left_out"] == told["left_out"]


def test_a_set_gets_further_records_beside_its_own_and_the_command_goes_on_where_it_was(pictures, writer, endpoint, tmp_path, capsys):
    cache = ("--cache", tmp_path / "cache")
    vlaser(capsys, "label", pictures, "--writer", writer, "--families", "general", "--out", tmp_path / "a", *cache)
    more = (
        "label",
        tmp_path / "a",
        "--writer",
        writer,
        "--families",
        "caption",
        "--out",
        tmp_path / "b",
        "--judge",
        writer,
        "--min-score",
        1,
        *cache,
    )
    told = vlaser(capsys, *more)
    # Judging by turns, one in four gets no score: of the eight general and eight captions.
    assert told["records"] == 12 and told["left_out"] == {"judge": {"no score can be read in the reply": 4}}
    assert {record.family for record in RecordSet(tmp_path / "b")} == {"written_general", "written_caption"}
    before = len(endpoint[1])
    assert vlaser(capsys, *more)["written"] == 0 and len(endpoint[1]) == before


def test_a_plan_has_its_families_written_judged_and_cleaned(pictures, writer, endpoint, tmp_path, capsys, monkeypatch):
    from sim_bridge import simulated

    monkeypatch.setattr(simulated, "PICTURES_A_UNIT", 4)
    plan = tmp_path / "plan.yaml"
    share = "{source: tabletop, category: simulation, records: 24, licence: Apache-2.0, write: [general]}"
    plan.write_text(f"name: plan\njudge: 2\nclean: {{near_pictures: 4}}\nshares:\n  - {share}\n")
    build = ("build", plan, "--workers", 0, "--renderer", "rays", "--cache", tmp_path / "cache")
    told = vlaser(capsys, *build, "--writer", writer, "--out", tmp_path / "a")
    families = [record.family for record in RecordSet(tmp_path / "a")]
    assert told["records"] == 24 and 0 < families.count("written_general") < 12
    assert all(
        record.provenance.endswith(("judged 3 by fake", "judged 2 by fake"))
        for record in RecordSet(tmp_path / "a")
        if record.family == "written_general"
    )
    assert told["left_out"]["judge"].keys() == {"score 1", "no score can be read in the reply"}

    assert run([str(word) for word in ("data", *build, "--out", tmp_path / "b")]) == 0
    assert "nothing is written for tabletop" in " ".join(capsys.readouterr().err.split())
    assert not any(record.family.startswith("written") for record in RecordSet(tmp_path / "b"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("clean", "SET", "--out", "SET", "--workers", "0"), "is the set itself"),
        (("clean", "NONE", "--out", "OUT", "--workers", "0"), "holds no records"),
        (("clean", "SET", "--out", "OUT", "--near-pictures", "9", "--workers", "0"), "near within"),
        (("clean", "SET", "--out", "OUT", "--benchmarks", "NONE", "--workers", "0"), "vlaser data blocklist"),
        (("judge", "SET", "--out", "OUT", "--judge", "WRITER", "--min-score", "4"), "scores go from 1 to 3"),
        (("judge", "SET", "--out", "OUT", "--judge", "nobody"), "known: local, qwen2_5_vl"),
        (("label", "SET", "--out", "OUT", "--writer", "WRITER", "--families", "dance"), "no family dance"),
        (("label", "NONE", "--out", "OUT", "--writer", "WRITER"), "no pictures"),
        (("build", "tabletop", "--out", "OUT", "--writer", "WRITER"), "are for plans"),
        (("blocklist", "NONE", "--out", "OUT"), "no folder"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(words, message, pictures, writer, tmp_path, capsys):
    vlaser(capsys, "label", pictures, "--writer", writer, "--families", "general", "--out", tmp_path / "set", "--cache", tmp_path / "cache")
    (tmp_path / "none").mkdir()
    names = {"SET": tmp_path / "set", "OUT": tmp_path / "out", "NONE": tmp_path / "none" / "there", "WRITER": writer}
    assert run([str(names.get(word, word)) for word in ("data", *words)]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
