"""Where a server listens, what it takes and whom it lets in."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlaser_core.errors import ConfigError

MIN_TOKEN = 16  # characters


@dataclass(frozen=True)
class Settings:
    """host: an address, or localhost. port: 0 for any that is free. token: what clients must show, None on loopback alone.
    max_message: bytes. idle_s: a connection that asks nothing for so long is closed. send_s: so long may a client take to read an
    answer. seed: of a connection's first chunk, counted on from there; None draws freely.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    max_message: int = 16 * 2**20
    max_connections: int = 16
    idle_s: float = 3600.0
    send_s: float = 30.0
    seed: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.port < 65536:
            raise ConfigError(f"a port is 0…65535, got {self.port}")
        if min(self.max_message, self.max_connections, self.idle_s, self.send_s) <= 0:
            raise ConfigError(
                f"message size, connections and times must be above 0, got {self.max_message}, {self.max_connections}, {self.idle_s}, {self.send_s}"
            )
        if self.seed is not None and not 0 <= self.seed < 2**62:
            raise ConfigError(f"a seed is a whole number of at least 0, got {self.seed}")
        if self.token is None and not is_loopback(self.host):
            raise ConfigError(
                f"{self.host!r} can be reached from other machines, so clients must show a token: write one of at least {MIN_TOKEN} characters "
                "to a file only you can read and give it as --token-file, or listen on 127.0.0.1"
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address. A name other than localhost may lead anywhere."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_token(path: Path) -> str:
    """The token in a file, surrounding white space apart. Raises ConfigError for one that is short or that others can read."""
    try:
        mode = path.stat().st_mode
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read a token from {path}: {error}") from error
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        raise ConfigError(f"others can read the token in {path}: chmod 600 {path}")
    if len(token) < MIN_TOKEN or any(character.isspace() for character in token):
        raise ConfigError(f"the token in {path} must be at least {MIN_TOKEN} characters without white space, got {len(token)}")
    return token


def shows_token(authorization: Sequence[str], token: str) -> bool:
    """Whether an `Authorization` header shows the token: `Bearer`, openpi's `Api-Key`, or `Basic` with it as the password, which is how
    an address `ws://vlaser:TOKEN@host:port` shows it. Takes as long whatever is wrong."""
    if len(authorization) != 1:
        return False
    scheme, _, shown = authorization[0].partition(" ")
    if scheme.lower() == "basic":
        try:
            shown = base64.b64decode(shown.strip(), validate=True).decode("utf-8").partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return False
    elif scheme.lower() not in ("bearer", "api-key"):
        return False
    return hmac.compare_digest(shown.strip().encode("utf-8", "replace"), token.encode())
