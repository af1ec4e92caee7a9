from __future__ import annotations

import base64
import io
import logging
import pickle

import pytest
from PIL import Image

from vlaser_core.data.labels.chat import Refused, Reply, Request, Unavailable
from vlaser_core.data.labels.endpoint import Endpoint
from vlaser_core.data.source import Picture
from vlaser_core.errors import ConfigError, InputError

PNG = io.BytesIO()
Image.new("RGB", (8, 6), (9, 9, 9)).save(PNG, "PNG")
ASKED = Request("What is this?", (Picture("a.png", PNG.getvalue()),), "Be short.", 0.1, 77, 5)


def test_a_request_has_the_form_that_vllm_reads(server):
    reply = Endpoint(server.url, "some/model").write(ASKED)
    (body,) = server.requests
    assert reply == Reply("Question: What is this?\nAnswer: Noise.", 100, 10, True)
    assert server.headers[0]["path"] == "/v1/chat/completions" and "Authorization" not in server.headers[0]
    assert (body["model"], body["temperature"], body["max_tokens"], body["seed"]) == ("some/model", 0.1, 77, 5)
    system, user = body["messages"]
    assert system == {"role": "system", "content": "Be short."} and user["content"][1] == {"type": "text", "text": "What is this?"}
    head, _, data = user["content"][0]["image_url"]["url"].partition(",")
    assert head == "data:image/png;base64" and base64.b64decode(data) == PNG.getvalue()


def test_pictures_stand_where_the_prompt_has_them(server):
    pictures = ASKED.pictures * 2
    for prompt, kinds in (
        ("Is <image> before <image>?", ["Is ", None, " before ", None, "?"]),
        ("Which is first?", [None, None, "Which is first?"]),
        ("<image>\nOne sign for two?", [None, None, "<image>\nOne sign for two?"]),
    ):
        Endpoint(server.url, "m").write(Request(prompt, pictures))
        (message,) = server.requests[-1]["messages"]
        assert [part.get("text") for part in message["content"]] == kinds
        assert [part["type"] for part in message["content"]] == ["image_url" if kind is None else "text" for kind in kinds]


def test_an_answer_cut_off_at_its_tokens_is_told(server, say):
    server.answer = lambda request, number: say(finish="length")
    assert not Endpoint(server.url, "m").write(ASKED).complete


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_unavailable(server, say, status):
    server.answer = lambda request, number: say("busy", status=status, after="7")
    with pytest.raises(Unavailable, match=f"answers {status}") as raised:
        Endpoint(server.url, "m").write(ASKED)
    assert raised.value.after == 7


@pytest.mark.parametrize(
    ("header", "seconds"), [("0", 0), ("2.5", 2.5), ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("soon", None), ("-3", None), ("1e9", None)]
)
def test_retry_after_is_seconds_or_a_date(server, say, header, seconds):
    server.answer = lambda request, number: say(status=429, after=header)
    with pytest.raises(Unavailable) as raised:
        Endpoint(server.url, "m").write(ASKED)
    assert raised.value.after == seconds


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_request_that_does_not_fit_is_refused_alone(server, say, status):
    server.answer = lambda request, number: say("too long", status=status)
    with pytest.raises(Refused, match="too long"):
        Endpoint(server.url, "m").write(ASKED)


@pytest.mark.parametrize(("status", "remedy"), [(401, "key_file"), (403, "key_file"), (404, "serves m"), (301, "301")])
def test_a_wrong_key_or_address_ends_it_with_what_to_look_at(server, say, status, remedy):
    server.answer = lambda request, number: say("no", status=status)
    with pytest.raises(InputError, match=remedy) as raised:
        Endpoint(server.url, "m").write(ASKED)
    assert not isinstance(raised.value, (Unavailable, Refused))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>Bad gateway</html>",
        b"\xff\xfe\x00",
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{"message": {"content": null}}]}',
        b"null",
    ],
)
def test_garbage_is_no_answer(server, say, raw):
    server.answer = lambda request, number: say(raw=raw)
    with pytest.raises(Unavailable, match="no chat completion"):
        Endpoint(server.url, "m").write(ASKED)


def test_a_line_that_breaks_in_the_middle_is_no_answer(server, say):
    server.answer = lambda request, number: say(cut=30)
    with pytest.raises(Unavailable, match="does not answer"):
        Endpoint(server.url, "m").write(ASKED)


@pytest.mark.parametrize("how", [{"hang": True}, {"drip": True}])
def test_a_server_that_is_silent_or_sends_a_byte_at_a_time_times_out(server, say, how):
    server.answer = lambda request, number: say(**how)
    with pytest.raises(Unavailable, match="does not answer: TimeoutError"):
        Endpoint(server.url, "m", timeout=0.3).write(ASKED)


def test_a_server_that_is_not_there_is_unavailable():
    with pytest.raises(Unavailable, match="127.0.0.1:9 does not answer"):
        Endpoint("http://127.0.0.1:9/v1", "m").write(ASKED)


def test_the_environment_names_no_proxy(server, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    Endpoint(server.url, "m").write(ASKED)
    assert "Authorization" not in server.headers[0]


def test_the_key_is_sent_and_never_told(server, say, tmp_path, caplog, spec, cache):
    key = tmp_path / "key"
    key.write_text("sk-very-secret\n")
    server.answer = lambda request, number: say("you sent sk-very-secret", status=500 if number else 401)
    endpoint = Endpoint(server.url, "m", key)
    told = []
    with caplog.at_level(logging.DEBUG):
        for _ in range(2):
            with pytest.raises(InputError) as raised:
                endpoint.write(ASKED)
            told.append(str(raised.value))
    server.answer = lambda request, number: say()
    made = spec(key_file=str(key))
    made.open(cache).write(ASKED)
    assert server.headers[0]["Authorization"] == "Bearer sk-very-secret"
    kept = "".join(path.read_text() for path in cache.rglob("*") if path.is_file())
    everything = " ".join([*told, caplog.text, kept, repr(endpoint), repr(made), repr(made.settings), repr(pickle.dumps(made))])
    assert "secret" not in everything and "you sent …" in told[0]


@pytest.mark.parametrize("base", ["localhost:8000", "ftp://host/v1", "http://", "http://me:secret@host/v1", "http://host/v1?key=secret"])
def test_an_address_that_is_none_or_holds_a_secret_is_refused_without_repeating_the_password(base):
    with pytest.raises(ConfigError, match="expected an endpoint") as raised:
        Endpoint(base, "m")
    assert "me:secret" not in str(raised.value)


@pytest.mark.parametrize("content", [None, b"", b"two words", b"\xff\xfe", b"line\nline"])
def test_a_key_file_without_a_key_is_named(tmp_path, content):
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match="key"):
        Endpoint("http://localhost:1/v1", "m", path)
