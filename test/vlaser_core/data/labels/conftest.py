"""A server that speaks like an OpenAI-compatible endpoint, as well or as badly as a test wants it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from vlaser_core.data.labels.budget import Budget
from vlaser_core.data.labels.families import Families, load_families
from vlaser_core.data.labels.grid import Grid
from vlaser_core.data.labels.spec import WriterSpec


@dataclass
class Said:
    """What the server does with a request. after: header. raw: bytes instead of a completion. hang: waits until the test ends.
    cut: bytes of the body that are sent before the line breaks. drip: sends a space at a time and never ends."""

    text: str = "Question: What is this?\nAnswer: Noise."
    status: int = 200
    after: str | None = None
    raw: bytes | None = None
    hang: bool = False
    cut: int | None = None
    drip: bool = False
    finish: str = "stop"
    usage: bool = True


@dataclass
class FakeServer:
    """answer: from (request, its number from 0) to what is done. requests: bodies that came; headers: with them."""

    url: str
    answer: Callable[[dict, int], Said] = field(default=lambda request, number: Said())
    requests: list[dict] = field(default_factory=list)
    headers: list[dict] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    ended: threading.Event = field(default_factory=threading.Event)


class _Handler(BaseHTTPRequestHandler):
    fake: FakeServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.fake.lock:
            number = len(self.fake.requests)
            self.fake.requests.append(body)
            self.fake.headers.append({"path": self.path, **self.headers})
        said = self.fake.answer(body, number)
        if said.hang:
            self.fake.ended.wait(30)
            return
        content = said.raw
        if content is None:
            message = {"choices": [{"message": {"content": said.text}, "finish_reason": said.finish}]}
            if said.usage:
                message["usage"] = {"prompt_tokens": 100, "completion_tokens": 10}
            content = json.dumps(message).encode() if said.status == 200 else json.dumps({"error": said.text}).encode()
        self.send_response(said.status)
        if said.after is not None:
            self.send_header("Retry-After", said.after)
        if not said.drip:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        while said.drip and not self.fake.ended.wait(0.02):
            try:
                self.wfile.write(b" ")
                self.wfile.flush()
            except OSError:
                return
        self.wfile.write(content if said.cut is None else content[: said.cut])

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[FakeServer]:
    fake = FakeServer("")
    handler = type("Handler", (_Handler,), {"fake": fake})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{http.server_port}/v1"
    yield fake
    fake.ended.set()
    http.shutdown()
    http.server_close()


@pytest.fixture
def say() -> type[Said]:
    return Said


@pytest.fixture
def spec(server) -> Callable[..., WriterSpec]:
    """A writer's settings for the fake server, quick to give up."""

    def make(**changes: object) -> WriterSpec:
        plain = {"attempts": 3, "first_wait": 0.0, "longest_wait": 0.0, "timeout": 5.0, "concurrency": 4, "budget": Budget()}
        return WriterSpec("fake-vl", server.url, **{"grid": Grid("thousandths"), **plain, **changes})

    return make


@pytest.fixture(scope="session")
def prompts() -> Families:
    return load_families()


@pytest.fixture
def cache(tmp_path) -> Path:
    return tmp_path / "labels"
