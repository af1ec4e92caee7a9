"""Answers on the disk, by what was asked: the same request is not paid twice, by no run and no worker."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from vlaser_core.data.labels.chat import Reply, Request, Writer
from vlaser_core.data.shards.files import write_text

_LOG = logging.getLogger(__name__)


def request_key(model: str, request: Request) -> str:
    """SHA-256 of a request to a model: every word of it and its pictures' content. Where the model runs and with which key is no part of it."""
    asked = {
        "model": model,
        "system": request.system,
        "prompt": request.prompt,
        "pictures": [hashlib.sha256(picture.data).hexdigest() for picture in request.pictures],
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
        "seed": request.seed,
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


class Cached:
    """A writer that remembers another's answers below `folder`. asked: requests that went on to the other one."""

    def __init__(self, writer: Writer, folder: Path) -> None:
        self.model = writer.model
        self.asked = 0
        self._writer, self._folder = writer, folder

    def write(self, request: Request) -> Reply:
        key = request_key(self.model, request)
        path = self._folder / key[:2] / f"{key}.json"
        found = self._read(path, key)
        if found is not None:
            return found
        with self._one_at_a_time(key):
            found = self._read(path, key)
            if found is not None:  # another worker has asked it meanwhile
                return found
            self.asked += 1
            reply = self._writer.write(request)
            write_text(path, _entry(key, reply))
            return reply

    def _read(self, path: Path, key: str) -> Reply | None:
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            text = ""
        try:
            reply = Reply(**json.loads(text)["reply"])
            if text == _entry(key, reply):
                return reply
        except (ValueError, KeyError, TypeError):
            pass  # told below, with an entry that reads well and says something else
        aside = path.with_suffix(".damaged")
        path.replace(aside)
        _LOG.warning("answer %s in the cache is damaged; it is kept as %s and asked again", path, aside.name)
        return None

    @contextmanager
    def _one_at_a_time(self, key: str) -> Iterator[None]:
        """Among all threads and processes that would ask this; a lock file stands for many keys, so that they stay few."""
        path = self._folder / "locks" / key[:3]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _entry(key: str, reply: Reply) -> str:
    check = hashlib.sha256(f"{key} {json.dumps(asdict(reply), sort_keys=True)}".encode()).hexdigest()
    return json.dumps({"key": key, "reply": asdict(reply), "check": check}, indent=1) + "\n"
