"""Who is let in, and where it is listened."""

from __future__ import annotations

import base64

import pytest

from vlaser_core.errors import ConfigError
from vlaser_core.serve.settings import Settings, is_loopback, read_token, shows_token

TOKEN = "correct-horse-battery"


@pytest.mark.parametrize(("host", "expected"), [("127.0.0.1", True), ("localhost", True), ("::1", True), ("127.8.9.1", True), ("0.0.0.0", False), ("::", False), ("robot", False), ("", False), ("10.0.0.3", False)])
def test_what_is_this_machine_alone(host, expected):
    assert is_loopback(host) is expected


def test_an_address_that_others_reach_needs_a_token():
    with pytest.raises(ConfigError, match="clients must show a token"):
        Settings(host="0.0.0.0")
    assert Settings(host="0.0.0.0", token=TOKEN).token == TOKEN


@pytest.mark.parametrize("wrong", [{"port": -1}, {"port": 70000}, {"max_message": 0}, {"max_connections": 0}, {"idle_s": 0}, {"seed": -1}])
def test_settings_that_cannot_work_are_refused(wrong):
    with pytest.raises(ConfigError):
        Settings(**wrong)


def test_a_token_is_read_from_a_file_that_only_its_owner_reads(tmp_path):
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="others can read the token in .*: chmod 600"):
        read_token(path)
    path.chmod(0o600)
    assert read_token(path) == TOKEN


@pytest.mark.parametrize(("content", "reason"), [("short\n", "at least 16"), ("has some white space in it", "without white space"), ("tökens-are-plain-ascii", "cannot read")])
def test_a_token_that_is_none_is_refused(tmp_path, content, reason):
    path = tmp_path / "token"
    path.write_text(content, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=reason):
        read_token(path)
    with pytest.raises(ConfigError, match="cannot read"):
        read_token(tmp_path / "absent")


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize("shown", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"Api-Key {TOKEN}", basic("vlaser", TOKEN), basic("", TOKEN)])
def test_the_token_is_taken_as_openpis_key_as_a_bearers_and_as_a_password(shown):
    assert shows_token([shown], TOKEN)


@pytest.mark.parametrize(
    "shown",
    [[], [""], ["Bearer"], [f"Bearer {TOKEN}x"], [f"Bearer {TOKEN[:-1]}"], [TOKEN], [f"Digest {TOKEN}"], [basic(TOKEN, "")], ["Basic %%%"], ["Basic /w=="], ["Bearer \udcff"], [f"Bearer {TOKEN}"] * 2],
)
def test_anything_else_is_not_the_token(shown):
    assert not shows_token(shown, TOKEN)
