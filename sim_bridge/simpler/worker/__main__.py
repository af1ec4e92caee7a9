"""`python -I <this folder> FD CHECKOUT`: a simulator that answers on socket FD until it is closed. Started by `link.py`."""

from __future__ import annotations

import platform
import socket
import sys
import traceback

import numpy as np
import wire  # this folder is where Python looks first

LONGEST = 4000  # characters of a traceback: its end says what failed


def main() -> None:
    connection, checkout = socket.socket(fileno=int(sys.argv[1])), sys.argv[2]
    try:
        from simulator import Simulator

        simulator = Simulator(checkout)
        wire.send(connection, "hello", {"versions": {"python": platform.python_version(), "numpy": np.__version__, **simulator.versions}, "renderer": simulator.renderer})
    except Exception as error:  # whatever stands in the way of a simulator is told and ends the worker
        wire.send(connection, "error", _told(error))
        return
    calls = {"episode": simulator.episode, "act": simulator.act, "truth": simulator.truth}
    while True:
        try:
            request, arrays = wire.receive(connection)
        except wire.Closed:
            return
        try:
            kind = request.pop("kind")
            if kind not in calls:
                raise ValueError(f"unknown request {kind!r}; known: {', '.join(calls)}")
            fields, pictures = calls[kind](**request, **arrays)
            wire.send(connection, "done", fields, pictures)
        except wire.Closed:
            return
        except Exception as error:  # the simulator raises what it likes; the other side decides what that means
            wire.send(connection, "error", _told(error))


def _told(error: Exception) -> dict:
    return {"error": f"{type(error).__name__}: {error}"[:LONGEST], "traceback": traceback.format_exc()[-LONGEST:]}


if __name__ == "__main__":
    main()
