"""A stack of real processes on a ROS domain of its own, with a client, a wire-tap, and mostly a robot that can be broken."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import TypeVar

import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from vlaser_msgs.msg import ActionChunk as ChunkMessage

from vlaser_core.embodiment import load_embodiment
from vlaser_core.types import ActionChunk
from vlaser_ros.bench.robot import FaultyRobot
from vlaser_ros.bench.wire import Wire
from vlaser_ros.bringup import ProcessSpec, compose, dds_profile, load_bringup
from vlaser_ros.client import VlaserClient
from vlaser_ros.client_link import NotReady, Refused
from vlaser_ros.domains import free_domain
from vlaser_ros.messages import chunk_message
from vlaser_ros.up import Stack

T = TypeVar("T")
READY = 60.0  # s for processes to start on a slow computer
DELAY = 0.05  # s the stand-in takes for a chunk
SERVER, CONTROLLER, DRIVER = "vlaser_server", "chunk_controller", "sim_driver"
LOCAL = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


class Rig:
    """The WidowX's own bring-up with a stand-in model, as a context manager. Enter it in the main thread.

    world: a simulated world behind sim_driver; None: a FaultyRobot in this process. simulated_clock: everyone's time is
    the robot's, from /clock. server: without one, chunks are this process's to send (a controller takes the chunks of one
    numbering only). parameters: by executable, over the bring-up's own. contract: name or path.
    """

    def __init__(
        self,
        *,
        world: str | None = None,
        simulated_clock: bool = False,
        server: bool = True,
        parameters: Mapping[str, Mapping[str, object]] | None = None,
        contract: str | Path = "widowx",
    ) -> None:
        self.world, self.simulated_clock, self.server = world, simulated_clock, server
        self.embodiment = load_embodiment(contract)
        self.topics = load_bringup(contract).topics
        self.joints = len(self.embodiment.joint_names)
        self._parameters = {name: dict(values) for name, values in (parameters or {}).items()}
        self._contract = contract
        self.domain = free_domain()

    def __enter__(self) -> Rig:
        self._folder = tempfile.TemporaryDirectory(prefix="vlaser-bench-")
        folder = Path(self._folder.name)
        overrides = {"engine": "stand_in", "use_sim_time": self.simulated_clock, "world": self.world or "stand_in"}
        own: dict[str, dict[str, object]] = {
            SERVER: {"stand_in_delay": DELAY},
            CONTROLLER: {"state_directory": str(folder / "state")},
            DRIVER: {"camera_rate": 25.0},
        }
        absent = {*(() if self.world else (DRIVER,)), *(() if self.server else (SERVER,))}
        specs = [spec for spec in compose(self._contract, overrides, sim=True) if spec.executable not in absent]
        specs = [
            replace(spec, parameters={**spec.parameters, **own.get(spec.executable, {}), **self._parameters.get(spec.executable, {})})
            for spec in specs
        ]
        self.specs = {spec.executable: spec for spec in specs}
        self.stack = Stack(specs, logs=folder / "logs", environment={"ROS_DOMAIN_ID": str(self.domain), **LOCAL})
        self._context = Context()
        self._sequence, self._restarted = int(time.time() * 1000), False
        try:
            self.stack.__enter__()
            self._connect()
            self.ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _connect(self) -> None:
        # As the processes of the stack have it; the middleware reads it with the first participant of this process.
        os.environ.setdefault("FASTDDS_DEFAULT_PROFILES_FILE", str(dds_profile()))
        rclpy.init(context=self._context, domain_id=self.domain, signal_handler_options=SignalHandlerOptions.NO)
        # Two nodes with a thread each: what the robot must do in time does not wait for what the wire brings.
        nodes = [Node(name, context=self._context, use_global_arguments=False) for name in ("bench_wire", "bench_robot")]
        self.robot = None if self.world else FaultyRobot(nodes[1], self.embodiment, self.topics, simulated=self.simulated_clock)
        self.wire = Wire(nodes[0], self.topics.trajectory, clock_offset=lambda: self.robot.clock_offset if self.robot else 0.0)
        self.client = VlaserClient(domain_id=self.domain, timeout=20.0)
        for node in nodes:
            executor = SingleThreadedExecutor(context=self._context)
            executor.add_node(node)
            Thread(target=_spin, args=(executor,), name=node.get_name(), daemon=True).start()
        if self.robot is not None:
            self.robot.start()

    def __exit__(self, *_: object) -> None:
        if getattr(self, "robot", None) is not None:
            self.robot.close()
        if hasattr(self, "client"):
            self.client.close()
        self.stack.stop()
        self._context.try_shutdown()
        self._folder.cleanup()

    @property
    def folder(self) -> Path:
        """For what a check writes; gone with the rig."""
        return Path(self._folder.name)

    def ready(self) -> None:
        """Wait until everyone answers. Raises ProcessDied or NotReady."""
        if self._restarted:
            self._restarted = False
            self._renew()
        if self.server:
            self.client.wait_ready(READY, sim=self.world is not None, poll=self.stack.check)
            # Known to each other is not yet heard by each other.
            self.await_true(self._answers, READY, "the server answers")
        deadline = time.monotonic() + READY
        while not self.wire.listened():
            self.stack.check()
            if time.monotonic() > deadline:
                raise NotReady("the controller does not listen to vlaser/action_chunk")
            time.sleep(0.02)

        if not self.server:
            # Of one that was killed the middleware goes on to think for a while that it listens.
            self.await_true(self.answered, READY, "the controller gives a verdict")

    def _renew(self) -> None:
        # The old client goes on to ask the one that was killed until its lease with the middleware ends.
        self.client.close()
        self.client = VlaserClient(domain_id=self.domain, timeout=20.0)

    def _answers(self) -> bool:
        self.client.timeout = 3.0
        try:
            self.client.ask("")  # refused, which is an answer
        except Refused:
            return True
        except NotReady:
            self._renew()
        finally:
            self.client.timeout = 20.0
        return False

    def answered(self) -> bool:
        """Whether the controller gives a verdict, whichever, on a chunk without motion."""
        message = self.chunk(0.0)
        self.wire.send(message)
        return self.wire.verdict(message.sequence, 0.5) is not None

    def settle(self) -> None:
        """No faults, every process there, no stop latched, the arm at home and at rest: where each check begins."""
        if self.robot is not None:
            self.robot.clear()
        for name, spec in self.specs.items():
            if self.stack.processes[name].poll() is not None:
                self.start(spec)
        self.ready()
        self.client.reset()
        if self.robot is not None:
            self.robot.home()
        else:
            self.client.reset_world()
            self.client.world_state()
        time.sleep(0.4)
        self.wire.forget()
        # What is refused here says that joint states or clock are not back yet.
        self.await_true(self._obeys, 20.0, "the arm can be moved")
        if self.robot is not None:
            time.sleep(0.5)
            self.robot.home()
            time.sleep(0.2)
        else:
            self.client.reset_world()
            self.client.world_state()
            time.sleep(0.4)
        self.wire.forget()

    def rounds(self, items: Iterable[T]) -> Iterator[T]:
        """The items one by one, everything settled before each but the first: that is done before a check begins."""
        for number, item in enumerate(items):
            if number:
                self.settle()
            yield item

    def _obeys(self) -> bool:
        if self.server:
            return self.client.execute("reach the middle", max_chunks=1, executed_steps=1, timeout=10.0).error_code == 0
        return self.move(0.0, executed_steps=1).accepted

    def await_true(self, condition: Callable[[], bool], timeout: float, what: str) -> float:
        """Seconds until `condition` was true. Raises NotReady naming `what`."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > timeout:
                raise NotReady(f"{what}: not within {timeout:.1f} s")
            time.sleep(0.01)
        return time.monotonic() - began

    def start(self, spec: ProcessSpec | str, **parameters: object) -> None:
        """Start a process, again or anew, with some parameters changed; `ready` waits for it, with a new client."""
        self._restarted = True
        spec = self.specs[spec] if isinstance(spec, str) else spec
        self.stack.start(replace(spec, parameters={**spec.parameters, **parameters}))

    def end(self, name: str, number: int) -> tuple[float, int]:
        """Signal a process and wait for its end: when it was signalled (s since 1970), and its exit code."""
        process = self.stack.processes[name]
        at = time.time()
        process.send_signal(number)
        process.wait(15.0)
        return at, process.returncode

    def freeze(self, name: str) -> float:
        """Stop a process in its tracks, as a machine that swaps does; the instant, s since 1970."""
        at = time.time()
        self.stack.processes[name].send_signal(signal.SIGSTOP)
        return at

    def thaw(self, name: str) -> None:
        self.stack.processes[name].send_signal(signal.SIGCONT)

    def goal(self, **options) -> None:
        """Send a goal and wait until the arm moves. Raises NotReady when it does not."""
        began = time.time()
        self.client.send("reach the middle", **{"timeout": 30.0, **options})
        if not self.wire.wait(lambda: any(not command.is_hold and command.sent > began for command in self.wire.commands), 10.0):
            raise NotReady("the goal brought no motion within 10 s")

    def chunk(self, step: float = 0.01, *, turn: float = 0.0, stamp: float | None = None, **changes: object) -> ChunkMessage:
        """A chunk from here: each step `step` m along x and `turn` rad about z. changes: fields of the message."""
        self._sequence += 1
        action = self.embodiment.action
        actions = np.zeros((action.horizon, self.embodiment.action_dim))
        actions[:, 0], actions[:, 5], actions[:, list(action.gripper_dims)] = step, turn, 1.0
        now = self.robot.now() if self.robot is not None else time.time()
        core = ActionChunk(actions, now - 0.05 if stamp is None else stamp, action.dt, DELAY)
        message = chunk_message(core, self.embodiment, sequence=self._sequence, goal_id="", executed_steps=action.horizon)
        for name, value in changes.items():
            setattr(message, name, value)
        return message

    def move(self, step: float = 0.01, **changes: object):
        """Send such a chunk; the controller's verdict. Raises NotReady without one."""
        message = self.chunk(step, **changes)
        self.wire.send(message)
        verdict = self.wire.verdict(message.sequence)
        if verdict is None:
            raise NotReady(f"no verdict on chunk {message.sequence}")
        return verdict

    def start_place(self) -> np.ndarray:
        """Joints and fingers (n + G,) at the contract's home."""
        arms = self.embodiment.arms
        return np.array([angle for arm in arms for angle in arm.home] + [arm.gripper.position(1.0) for arm in arms])


def _spin(executor: SingleThreadedExecutor) -> None:
    try:
        executor.spin()
    except ExternalShutdownException:
        return
