"""A disk that takes no more while `vlaser record` runs."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

from vlaser_ros.bags.reader import Bag
from vlaser_ros.bench.findings import Finding
from vlaser_ros.bench.rig import LOCAL
from vlaser_ros.client_link import NotReady

ROOM = 8 * 2**20  # bytes


def disk_full(rig, quick: bool) -> Finding:
    """The recorder finds no more room; it says so, its file can be read, and the robot goes on."""
    out = Path(rig.folder) / "full.mcap"
    command = [
        sys.executable,
        "-m",
        "vlaser_ros.cli",
        "record",
        "widowx",
        "--out",
        str(out),
        "--domain-id",
        str(rig.domain),
        "--keep-free",
        "0",
        "--json",
    ]
    log = Path(rig.folder) / "record.log"
    with log.open("wb") as told:
        recorder = subprocess.Popen(command, stdout=told, stderr=subprocess.STDOUT, env={**os.environ, **LOCAL})
    try:
        # What is written beyond the limit fails as on a full disk; Python ignores the signal that comes with it.
        resource.prlimit(recorder.pid, resource.RLIMIT_FSIZE, (ROOM, ROOM))
        rig.client.send("reach the middle", max_chunks=30, timeout=60.0)
        code = recorder.wait(60.0)
    except subprocess.TimeoutExpired as error:
        raise NotReady("the recorder did not notice that nothing more can be written") from error
    finally:
        if recorder.poll() is None:
            recorder.kill()
            recorder.wait()
    moving_on = rig.client.feedback() is not None and not rig.client.is_done()
    rig.client.cancel()
    rig.client.result(10.0)
    words = log.read_text(encoding="utf-8", errors="replace")
    with Bag(out) as bag:
        kept = sum(1 for _ in bag.read(list(bag.topics)))
    told = json.loads(words.splitlines()[-1])
    return Finding(
        "full disk while recording",
        "the recorder ends with exit code 1 and the reason; the goal goes on" if moving_on else "the goal did not go on",
        f"{kept} messages can be read of {sum(topic['count'] for topic in told['topics'].values())} that were taken, {out.stat().st_size / 2**20:.1f} of {ROOM / 2**20:.0f} MB",
        "exit code 1, a readable file",
        code == 1 and moving_on and kept > 0 and bool(told["error"]),
        {"exit_code": code, "readable": kept, "error": told["error"]},
    )
