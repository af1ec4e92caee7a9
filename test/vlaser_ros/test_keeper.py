"""`vlaser up` starts again what died in service, and ends with the reason where starting again would not help."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest

from vlaser_ros.bringup import ProcessSpec
from vlaser_ros.up import Keeper, ProcessDied, Stack


@dataclass(frozen=True)
class Program(ProcessSpec):
    """A few lines of Python in a node's place."""

    code: str = "import time; time.sleep(60)"

    def command(self) -> list[str]:
        return [sys.executable, "-c", self.code]


def program(name: str, code: str = "import time; time.sleep(60)", **settings) -> Program:
    return Program(name, {}, (), code=code, **{"respawn": True, "respawn_delay": 3.0, **settings})


class Watch:
    """A keeper over a real stack, with a clock of its own."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.now = stack, 0.0
        self.keeper = Keeper(stack, youth=10.0, clock=lambda: self.now)

    def end(self, name: str) -> int:
        process = self.stack.processes[name]
        process.kill()
        process.wait(10)
        return process.pid

    def look(self, now: float) -> bool:
        self.now = now
        return self.keeper.look()


def finished(stack: Stack, name: str) -> None:
    stack.processes[name].wait(30)


def test_what_died_in_service_is_started_again_after_its_delay_and_the_rest_goes_on(tmp_path):
    with Stack([program("a"), program("b")], logs=tmp_path) as stack:
        watch = Watch(stack)
        other = stack.processes["b"].pid
        before = watch.end("a")
        assert watch.look(100.0) and watch.look(102.9) and stack.processes["a"].pid == before
        assert watch.look(103.1) and stack.processes["a"].pid != before
        assert watch.look(104.0) and stack.processes["b"].pid == other


def test_what_dies_right_after_its_start_ends_all_with_its_last_words(tmp_path):
    with Stack([program("a"), program("b", "raise SystemExit('no such checkpoint')")], logs=tmp_path) as stack:
        finished(stack, "b")
        with pytest.raises(ProcessDied, match="(?s)b ended with code 1.*no such checkpoint") as ended:
            Watch(stack).look(1.0)
        assert "a ended" not in str(ended.value)


def test_a_second_early_death_ends_all_too(tmp_path):
    with Stack([program("a")], logs=tmp_path) as stack:
        watch = Watch(stack)
        watch.end("a")
        watch.look(100.0), watch.look(104.0)
        watch.end("a")
        with pytest.raises(ProcessDied):
            watch.look(106.0)


def test_without_respawn_every_death_ends_all(tmp_path):
    with Stack([program("a", respawn=False)], logs=tmp_path) as stack:
        watch = Watch(stack)
        watch.end("a")
        with pytest.raises(ProcessDied, match="code -9"):
            watch.look(1000.0)


@pytest.mark.parametrize(("code", "over"), [("pass", True), ("raise SystemExit(1)", False)])
def test_the_end_of_a_bag_is_the_end_of_all_and_its_failure_is_an_error(tmp_path, code, over):
    with Stack([program("a"), program("replay", code, respawn=False, ends=True)], logs=tmp_path) as stack:
        finished(stack, "replay")
        watch = Watch(stack)
        if over:
            assert not watch.look(50.0)
        else:
            with pytest.raises(ProcessDied, match="replay"):
                watch.look(50.0)
    assert all(process.poll() is not None for process in stack.processes.values())
