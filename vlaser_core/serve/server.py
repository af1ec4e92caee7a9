"""The server: one policy on one port, openpi's clients at `/`, the vla-evaluation-harness at `/vla-eval`.

    await serve(engine, keys, Settings(port=8000), checkpoint="nano")     # until it is cancelled or `stop` is set

A client can do no more to the others than wait in line with them: a connection has one request at a time, its messages are read one after
the other and no further than the limit, what it does not read is given up after a while, and there are only so many connections. A page in
a browser is refused (it would come with an Origin), whoever shows no token where one is asked for as well.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus

from websockets.asyncio.server import Server, ServerConnection
from websockets.asyncio.server import serve as listen
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.http11 import Request, Response
from websockets.protocol import State

from vlaser_core.errors import ConfigError, InputError, VlaserError
from vlaser_core.serve.arrays import unpack
from vlaser_core.serve.harness import Adapter, Harness, Plain
from vlaser_core.serve.keys import Keys
from vlaser_core.serve.openpi import OpenPi, describe
from vlaser_core.serve.session import Seeds, Session
from vlaser_core.serve.settings import Settings, shows_token
from vlaser_core.serve.worker import Policy, Worker

log = logging.getLogger("vlaser.serve")
HARNESS = "/vla-eval"
HEALTH = ("/healthz", "/health")
CLOSE_S = 2.0  # a client may take to agree that a connection is closed
UNSUPPORTED, INVALID, POLICY, INTERNAL, TRY_LATER = 1003, 1007, 1008, 1011, 1013  # RFC 6455 and its registry


async def serve(
    policy: Policy,
    keys: Keys,
    settings: Settings,
    *,
    checkpoint: str,
    adapters: Mapping[str, Adapter] | None = None,
    executed_steps: int | None = None,
    ready: Callable[[int], None] = lambda port: None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until `stop` is set. checkpoint: what the greeting calls the policy. adapters: more of the harness' benchmarks, by the part of
    the address after `/vla-eval/`. executed_steps: of a chunk, before the harness' client is looked at again; all by default.
    ready: called with the port once clients can come. Raises ConfigError when the port is taken.
    """
    server = _Service(policy, keys, settings, checkpoint, {"": Plain(policy), **(adapters or {})}, executed_steps)
    stop = stop or asyncio.Event()
    try:
        async with await _listen(server, settings) as listening:
            ready(next(iter(listening.sockets)).getsockname()[1])
            await stop.wait()
    finally:
        server.worker.close()


async def _listen(service: _Service, settings: Settings) -> Server:
    # websockets reports every odd byte of a port scan with a traceback; what matters of a client is logged here, in one line.
    quiet = logging.getLogger("vlaser.serve.websockets")
    quiet.setLevel(logging.CRITICAL + 1)
    try:
        return await listen(
            service.client,
            settings.host,
            settings.port,
            origins=[None],
            compression=None,
            process_request=service.admit,
            server_header="vlaser",
            open_timeout=10,
            close_timeout=CLOSE_S,
            # A simulator that is busy answers no ping for minutes; who asks nothing for long is closed by `idle_s`.
            ping_interval=None,
            max_size=settings.max_message,
            # One message waits while another is answered; the client's further ones stay with the client.
            max_queue=0,
            logger=quiet,
        )
    except OSError as error:
        raise ConfigError(f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}; choose another --port or --host") from error


class _Service:
    def __init__(
        self, policy: Policy, keys: Keys, settings: Settings, checkpoint: str, adapters: Mapping[str, Adapter], executed_steps: int | None
    ) -> None:
        horizon = policy.embodiment.action.horizon
        self.executed_steps = horizon if executed_steps is None else executed_steps
        if not 1 <= self.executed_steps <= horizon:
            raise ConfigError(f"executed steps must be 1…{horizon}, got {executed_steps}")
        keys.require(policy.cameras)
        self.worker, self.keys, self.settings, self.adapters = Worker(policy), keys, settings, adapters
        self.metadata = describe(policy, keys, checkpoint) | {"max_message_bytes": settings.max_message}
        self.clients = 0

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Whether a client may connect; the answer otherwise."""
        path = request.path.partition("?")[0]
        if path in HEALTH:
            return connection.respond(HTTPStatus.OK, "OK\n")
        if self.settings.token is not None and not shows_token(request.headers.get_all("Authorization"), self.settings.token):
            return self._turn_away(connection, HTTPStatus.UNAUTHORIZED, "show the token: Authorization: Bearer TOKEN")
        if self._adapter(path) is None and path != "/":
            places = " ".join(f"{HARNESS}/{name}".rstrip("/") for name in self.adapters)
            return self._turn_away(connection, HTTPStatus.NOT_FOUND, f"nothing at {path[:60]!r}: openpi's clients connect to /, the harness to {places}")
        if self.clients >= self.settings.max_connections:
            return self._turn_away(connection, HTTPStatus.SERVICE_UNAVAILABLE, f"{self.clients} clients are connected, no more are taken")
        return None

    def _turn_away(self, connection: ServerConnection, status: HTTPStatus, reason: str) -> Response:
        log.info("%s turned away: %d, %s", _address(connection), status, reason)
        return connection.respond(status, reason + "\n")

    def _adapter(self, path: str) -> Adapter | None:
        if path != HARNESS and not path.startswith(HARNESS + "/"):
            return None
        return self.adapters.get(path[len(HARNESS) + 1 :])

    async def client(self, connection: ServerConnection) -> None:
        """One connection, from greeting to goodbye, and its line in the log."""
        if self.clients >= self.settings.max_connections:
            await connection.close(TRY_LATER, "too many clients")
            return
        self.clients += 1
        client = _Client(connection, self._session(connection.request.path.partition("?")[0]), self.settings)
        began = time.monotonic()
        try:
            await client.converse()
        except ConnectionClosed:
            pass
        finally:
            self.clients -= 1
            log.info("%s %s: %s, %.1f s, %s", _address(connection), client.session.protocol, client.session.tally, time.monotonic() - began, _end(connection))

    def _session(self, path: str) -> Session:
        adapter, seeds = self._adapter(path), Seeds(self.settings.seed)
        if adapter is None:
            return OpenPi(self.worker, self.keys, self.metadata, seeds)
        return Harness(self.worker, adapter, self.executed_steps, seeds)


class _Client:
    def __init__(self, connection: ServerConnection, session: Session, settings: Settings) -> None:
        self.connection, self.session, self.settings = connection, session, settings

    async def converse(self) -> None:
        """Answer one message after the other until somebody ends it. Raises ConnectionClosed when the client does."""
        greeting = self.session.greeting()
        if greeting is not None:
            await self._send(greeting)
        while True:
            try:
                data = await asyncio.wait_for(self.connection.recv(), self.settings.idle_s)
            except asyncio.TimeoutError:
                return await self.connection.close(POLICY, f"asked nothing for {self.settings.idle_s:g} s")
            if isinstance(data, str):
                return await self._refuse("observations are binary messages of msgpack, this one is text", close=UNSUPPORTED)
            try:
                message = unpack(data)
            except InputError as error:
                return await self._refuse(str(error), close=INVALID)
            del data  # its arrays are copies
            try:
                answer = await self.session.answer(message, lambda: self.connection.state is not State.OPEN)
            except ConnectionAbortedError:
                return
            except VlaserError as error:
                await self._refuse(str(error), message)
                continue
            except Exception as error:
                log.exception("%s: the policy failed", _address(self.connection))
                return await self._refuse(f"the policy failed ({type(error).__name__}); the server's log says more", message, close=INTERNAL)
            if answer is not None:
                await self._send(answer)
                self.session.sent()

    async def _refuse(self, reason: str, message: object = None, close: int | None = None) -> None:
        """Say no in the session's protocol, and end the connection with code `close`, if any."""
        self.session.tally.refused += 1
        await self._send(self.session.refusal(reason, message))
        if close is not None:
            await self.connection.close(close, reason.encode()[:120].decode(errors="ignore"))

    async def _send(self, data: bytes | str) -> None:
        try:
            await asyncio.wait_for(self.connection.send(data), self.settings.send_s)
        except asyncio.TimeoutError:
            # It reads nothing, so it would not read a goodbye either.
            self.connection.transport.abort()
            raise ConnectionClosedError(None, None) from None


def _address(connection: ServerConnection) -> str:
    address = connection.remote_address
    return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else "a client"


def _end(connection: ServerConnection) -> str:
    """How a connection ended: what we said, else what the client said, else nobody said goodbye."""
    goodbye = connection.protocol.close_sent or connection.protocol.close_rcvd
    if goodbye is None:
        return "left"
    return f"closed {goodbye.code}" + (f" ({goodbye.reason})" if goodbye.reason else "")
