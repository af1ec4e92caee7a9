from __future__ import annotations

import dataclasses
import json
import logging
import threading
import time

import pytest

from vlaser_core.data.labels.cache import Cached, request_key
from vlaser_core.data.labels.chat import Reply, Request, Unavailable
from vlaser_core.data.source import Picture

ASKED = Request("What?", (Picture("a.png", b"one"),), "short", 0.1, 64, 3)


class Slow:
    model = "m"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def write(self, request: Request) -> Reply:
        time.sleep(0.05)
        self.asked.append(request.prompt)
        return Reply(f"to {request.prompt} ü", 7, 3, False)


def test_the_same_request_is_not_paid_twice_not_even_in_another_run(tmp_path):
    writer = Slow()
    first = Cached(writer, tmp_path).write(ASKED)
    assert Cached(writer, tmp_path).write(ASKED) == first == Reply("to What? ü", 7, 3, False)
    assert writer.asked == ["What?"]


def test_asked_by_many_at_once_it_is_paid_once(tmp_path):
    writer, replies = Slow(), []
    threads = [threading.Thread(target=lambda: replies.append(Cached(writer, tmp_path).write(ASKED))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert writer.asked == ["What?"] and len(set(replies)) == 1 and len(replies) == 8


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "What"},
        {"pictures": (Picture("a.png", b"two"),)},
        {"pictures": ()},
        {"system": ""},
        {"temperature": 0.0},
        {"max_tokens": 65},
        {"seed": 4},
    ],
)
def test_whatever_changes_the_answer_is_another_request(change):
    assert request_key("m", dataclasses.replace(ASKED, **change)) != request_key("m", ASKED) != request_key("n", ASKED)


def test_a_picture_is_known_by_what_it_shows_and_not_by_its_name():
    assert request_key("m", dataclasses.replace(ASKED, pictures=(Picture("b.png", b"one"),))) == request_key("m", ASKED)


@pytest.mark.parametrize("damage", ["cut", "empty", "changed", "other", "binary"])
def test_a_damaged_entry_is_named_kept_and_asked_again(tmp_path, caplog, damage):
    writer = Slow()
    Cached(writer, tmp_path).write(ASKED)
    path = tmp_path / (key := request_key("m", ASKED))[:2] / f"{key}.json"
    text = path.read_text()
    plain = json.loads(text)
    plain["reply"]["text"] = "another answer"
    changed = {"cut": text[:-20], "empty": "", "changed": json.dumps(plain, indent=1) + "\n", "other": '{"reply": 5}', "binary": "\x00"}[
        damage
    ]
    path.write_bytes(changed.encode() if damage != "binary" else b"\xff\xfe\xfd")
    with caplog.at_level(logging.WARNING):
        assert Cached(writer, tmp_path).write(ASKED).text == "to What? ü"
    assert len(writer.asked) == 2 and str(path) in caplog.text and path.with_suffix(".damaged").exists()
    assert path.read_text() == text


def test_a_failure_is_not_remembered(tmp_path):
    class Once(Slow):
        def write(self, request: Request) -> Reply:
            if not self.asked:
                self.asked.append("down")
                raise Unavailable("down")
            return super().write(request)

    cached = Cached(Once(), tmp_path)
    with pytest.raises(Unavailable):
        cached.write(ASKED)
    assert cached.write(ASKED).text == "to What? ü"


def test_no_half_entry_is_left_behind(tmp_path, monkeypatch):
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vlaser_core.data.shards.files.os.fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        Cached(Slow(), tmp_path).write(ASKED)
    monkeypatch.undo()
    assert not list(tmp_path.rglob("*.json")) and not [path for path in tmp_path.rglob(".*") if path.is_file()]
