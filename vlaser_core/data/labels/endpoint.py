"""A model behind an OpenAI-compatible endpoint (vLLM and others): `POST <base>/chat/completions`, pictures as data URIs.

Proxies and other settings of the environment are not looked at: the address that is written down is the one that is asked.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import ssl
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

from vlaser_core.data.labels.chat import Refused, Reply, Request, Unavailable
from vlaser_core.errors import ConfigError, InputError
from vlaser_core.reasoning.prompts import IMAGE_PLACEHOLDER

LARGEST_ANSWER = 8 * 2**20  # bytes; a server that sends more is not answering the question
_AGAIN = {408, 409, 425, 429}
_REFUSED = {400, 413, 415, 422}
_EXCERPT = 200


class Endpoint:
    """base: as `http://localhost:8000/v1`. key_file: holds the key and nothing else; it is read when the endpoint is opened,
    and neither logged nor kept in any file. timeout: seconds until the whole answer must be there.

    Raises ConfigError for an address that is none, or a key file that cannot be read.
    """

    def __init__(self, base: str, model: str, key_file: Path | None = None, timeout: float = 120.0) -> None:
        parts = urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise ConfigError(
                f"expected an endpoint such as http://localhost:8000/v1, got {re.sub('//[^/@]*@', '//…@', base)!r}; a key belongs into key_file"
            )
        self.model, self._timeout = model, timeout
        self._secure, self._host, self._path = parts.scheme == "https", parts.netloc, parts.path.rstrip("/") + "/chat/completions"
        self._key = _read_key(key_file)

    def write(self, request: Request) -> Reply:
        body = json.dumps(self._body(request)).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        try:
            status, answered, data = self._post(body, headers)
        except ssl.SSLCertVerificationError as error:
            raise InputError(f"the certificate of {self._host} is not trusted: {error.verify_message}") from error
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"{self._host} does not answer: {type(error).__name__}: {error}") from error
        if status == 200:
            return self._reply(data)
        said = f"{self._host} answers {status}: {self._safe(data.decode('utf-8', 'replace'))}"
        if status in _AGAIN or status >= 500:
            raise Unavailable(said, _seconds(answered.get("Retry-After")))
        if status in _REFUSED:
            raise Refused(said)
        remedy = {401: "; see its key_file", 403: "; see its key_file", 404: f"; see its address, and that it serves {self.model}"}
        raise InputError(said + remedy.get(status, ""))

    def _body(self, request: Request) -> dict:
        messages: list[dict] = [{"role": "system", "content": request.system}] if request.system else []
        messages.append({"role": "user", "content": _content(request)})
        return {
            "model": self.model,
            "messages": messages,
            "temperature": request.temperature,
            "max_tokens": request.max_tokens,
            "seed": request.seed,
        }

    def _post(self, body: bytes, headers: dict[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        """A connection of its own: threads share nothing, and a server that was restarted is simply found again."""
        ends = time.monotonic() + self._timeout
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, timeout=self._timeout)
        try:
            connection.request("POST", self._path, body, headers)
            response, parts, size = connection.getresponse(), [], 0
            while True:
                left = ends - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"no whole answer within {self._timeout:g} s")
                if connection.sock is not None:  # a timeout is of one read: a server that sends a byte at a time would never run into it
                    connection.sock.settimeout(left)
                part = response.read1(65536)
                if not part:
                    break
                parts.append(part)
                size += len(part)
                if size > LARGEST_ANSWER:
                    raise http.client.HTTPException(f"more than {LARGEST_ANSWER} bytes")
            expected = response.headers.get("Content-Length")
            if expected is not None and expected.isdecimal() and size < int(expected):
                raise http.client.IncompleteRead(b"".join(parts), int(expected) - size)
            return response.status, response.headers, b"".join(parts)
        finally:
            connection.close()

    def _reply(self, data: bytes) -> Reply:
        try:
            plain = json.loads(data)
            choice = plain["choices"][0]
            text = choice["message"]["content"]
            usage = plain.get("usage") or {}
            tokens = [int(usage.get(name) or 0) for name in ("prompt_tokens", "completion_tokens")]
            if not isinstance(text, str) or min(tokens) < 0:
                raise TypeError("no text in it")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise Unavailable(
                f"{self._host} answers what is no chat completion: {self._safe(data.decode('utf-8', 'replace'))!r}"
            ) from error
        return Reply(text, tokens[0], tokens[1], choice.get("finish_reason") != "length")

    def _safe(self, text: str) -> str:
        """The beginning of a server's words, without the key should it repeat it."""
        if self._key:
            text = text.replace(self._key, "…")
        return " ".join(text.split())[:_EXCERPT]


def _content(request: Request) -> list[dict]:
    """Pictures before the text, or where `<image>` stands in it for each."""
    pictures = [{"type": "image_url", "image_url": {"url": _data_uri(picture.data)}} for picture in request.pictures]
    texts = request.prompt.split(IMAGE_PLACEHOLDER)
    if len(texts) - 1 != len(pictures):
        texts = ["", *[""] * (len(pictures) - 1), request.prompt] if pictures else [request.prompt]
    parts = [texts[0]]
    for picture, text in zip(pictures, texts[1:], strict=True):
        parts += [picture, text]
    return [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts if part]


def _read_key(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the endpoint's key from {path}: {type(error).__name__}") from error
    if not key or not key.isprintable() or not key.isascii() or " " in key:
        raise ConfigError(f"{path} holds no key: expected one line of printable characters")
    return key


def _data_uri(data: bytes) -> str:
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _seconds(retry_after: str | None) -> float | None:
    """Of a Retry-After header: seconds, or a date. None where it says neither."""
    if retry_after is None:
        return None
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", retry_after.strip()):
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
