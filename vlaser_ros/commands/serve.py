"""`vlaser serve`: a policy for clients that speak openpi's protocol or the vla-evaluation-harness'. No ROS."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from vlaser_ros.commands.loading import Loading

MEGABYTE = 2**20


@dataclass(frozen=True)
class Serve(Loading):
    """Serve a policy over websockets until Ctrl-C: openpi's clients at /, the vla-evaluation-harness at /vla-eval."""

    host: str = "127.0.0.1"  # address to listen on; one that other machines reach needs --token-file
    port: int = 8000  # 0 for any that is free
    token_file: Path | None = None  # file with what clients must show: Authorization: Bearer TOKEN, or openpi's api_key
    keys: Path | None = None  # YAML file that says which key of a message is which camera, state and instruction
    prompt: str | None = None  # instruction of clients that send none
    seed: int | None = None  # of every connection's first chunk, counted on from there; random by default
    executed_steps: int | None = None  # of a chunk before the harness' benchmark is looked at again; all by default
    max_message_mb: int = 16  # a larger message ends its connection
    max_connections: int = 16  # clients at a time

    def run(self) -> int:
        return serve(self)


def serve(options: Serve) -> int:
    """Listen until SIGINT or SIGTERM, then say goodbye to the clients. Says where as a JSON line on stdout; a line a client on stderr."""
    import asyncio
    import logging
    import signal
    import sys

    from vlaser_core.embodiment import read_yaml
    from vlaser_core.serve.keys import default_keys, load_keys
    from vlaser_core.serve.server import serve as serve_policy
    from vlaser_core.serve.settings import Settings, is_loopback, read_token

    settings = Settings(
        host=options.host,
        port=options.port,
        token=read_token(options.token_file) if options.token_file else None,
        max_message=options.max_message_mb * MEGABYTE,
        max_connections=options.max_connections,
        seed=options.seed,
    )
    if options.keys:
        read_yaml(options.keys)  # a mistake in it is told before the model is loaded
    engine = options.load()
    from sim_bridge.harness import adapters_for

    robot = engine.embodiment
    keys = load_keys(options.keys, robot, options.prompt) if options.keys else default_keys(robot, options.prompt)
    name = str(options.checkpoint or "nano")
    adapters = adapters_for(engine)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(message)s")
    log = logging.getLogger("vlaser.serve")
    log.setLevel(logging.INFO)

    def ready(port: int) -> None:
        where = f"ws://{f'[{options.host}]' if ':' in options.host else options.host}:{port}"
        if not is_loopback(options.host):
            log.warning("%s can be reached from other machines and is not encrypted: the token and the pictures can be read on the way", where)
        log.info("%s drives %s at %s; the harness at %s", name, robot.name, where, ", ".join(f"{where}/vla-eval{part}" for part in ("", *(f"/{key}" for key in adapters))))
        print(json.dumps({"url": where, "host": options.host, "port": port, "checkpoint": name, "embodiment": robot.name}), flush=True)

    async def main() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve_policy(engine, keys, settings, checkpoint=name, adapters=adapters, executed_steps=options.executed_steps, ready=ready, stop=stop)

    asyncio.run(main())
    return 0


@dataclass(frozen=True)
class BenchServe(Loading):
    """Time round trips to a served policy on this machine, less the model: what the wire costs."""

    requests: int = 100  # of each client, after one that is not counted
    clients: int = 1  # at a time
    json: bool = False  # only the result, as one JSON line

    def run(self) -> int:
        return bench_serve(self)


def bench_serve(options: BenchServe) -> int:
    """Print the table and the JSON line."""
    from vlaser_core.serve.bench import measure

    report = measure(options.load(), options.requests, options.clients)
    if not options.json:
        from rich.console import Console
        from rich.table import Table

        title = f"{report.clients} client(s), {report.requests} requests each of {report.message_bytes / 1024:.0f} KiB, ms"
        table = Table("part", "median", "p99", "largest", title=title)
        for name in ("round_trip", "infer", "wait", "overhead"):
            table.add_row(name.replace("_", " "), *(f"{value:.2f}" for value in getattr(report, f"{name}_ms")))
        Console().print(table)
    print(json.dumps(report.to_json()))
    return 0
