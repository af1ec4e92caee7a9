"""`vlaser serve` as a process: the shipped policy, its clients, and its end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import numpy as np
import pytest
from websockets.sync.client import connect

from vlaser_core.serve.arrays import pack, unpack
from vlaser_ros.cli import run

PATIENT = 100.0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--host", "0.0.0.0"], "clients must show a token"),
        (["--token-file", "absent"], "cannot read a token from absent"),
        (["--port", "70000"], "a port is 0…65535"),
        (["--keys", "absent.yaml"], "absent.yaml"),
    ],
)
def test_what_cannot_be_served_is_one_line(capsys, arguments, reason):
    assert run(["serve", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and len(captured.err.strip().splitlines()) == 1 and reason in captured.err


VIEW = {"observation/image": np.zeros((240, 320, 3), np.uint8), "observation/state": np.zeros(7), "prompt": "put carrot on plate"}
# The command itself, with a policy that needs no weights: signals and streams are what is looked at.
STAND_IN = """
import sys
import numpy as np
from vlaser_core.embodiment import load_embodiment
from vlaser_core.types import ActionChunk
from vlaser_ros.cli import main
from vlaser_ros.commands.loading import Loading

class StandIn:
    embodiment, cameras = load_embodiment("widowx"), ("image_0",)

    def predict(self, observation, instruction, *, seed=None):
        return ActionChunk(np.zeros((4, 7)), observation.stamp, 0.2, 0.001)

Loading.load = lambda self: StandIn()
main(["serve", "--port", "0"])
"""


def served_until(command: list[str], end: signal.Signals) -> tuple[dict, dict, int, str, str]:
    """What the command told, a first answer, its exit code after the signal, and the rest of its streams."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            told = json.loads(process.stdout.readline())
            with connect(told["url"], compression=None, open_timeout=PATIENT) as client:
                client.recv(PATIENT)
                client.send(pack(VIEW))
                answer = unpack(client.recv(PATIENT))
                process.send_signal(end)
                out, log = process.communicate(timeout=PATIENT)
        finally:
            process.kill()
    return told, answer, process.returncode, out, log


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal_and_says_goodbye(end):
    told, answer, code, out, log = served_until([sys.executable, "-c", STAND_IN], end)
    assert told["embodiment"] == "widowx" and told["url"] == f"ws://127.0.0.1:{told['port']}" and answer["actions"].shape == (4, 7)
    assert code == 0 and out == "" and "Traceback" not in log
    assert "nano drives widowx at ws://127.0.0.1" in log and "/vla-eval/simpler-widowx" in log
    assert "openpi: 1 chunks of" in log and "closed 1001" in log


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_shipped_policy_is_served_by_default():
    command = [sys.executable, "-m", "vlaser_ros.cli", "serve", "--port", "0", "--seed", "1", "--threads", "1"]
    told, answer, code, *_ = served_until(command, signal.SIGTERM)
    assert code == 0 and told["checkpoint"] == "nano" and answer["actions"].shape == (4, 7) and np.isfinite(answer["actions"]).all()
