"""The examples are run against the in-process server of the server's own tests."""

from ..server.conftest import serving  # noqa: F401
