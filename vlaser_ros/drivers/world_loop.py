"""The thread that owns a simulated world: physics and pictures, in step with the wall clock. No ROS.

MuJoCo's objects and the OpenGL context are touched by this thread only. Everything has the stamp of the moment the
physics stands at, so pictures and joint states agree even when rendering made them late.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Protocol

import numpy as np

from sim_bridge.world import SERVO_PERIOD, World
from vlaser_core.errors import InputError
from vlaser_ros.drivers.servo import switched_columns
from vlaser_ros.trajectory import TrajectoryPlayer

# s behind the wall clock that are caught up; beyond, time is given up and counted as slip. Well below the 0.3 s after which
# the controller takes joint states for missing: a slow computer simulates slowly, it does not lose its arm.
MOST_LAG = 0.1
STATE_PERIOD = 0.2  # s
STILL = 0.005  # rad or m; a trajectory that goes no further is no motion


@dataclass(frozen=True)
class WorldStatus:
    """What the simulator knows. steps: policy steps since the first motion after the reset; slip, time: s."""

    task: str
    seed: int
    instruction: str
    success: bool
    steps: int
    max_steps: int
    time: float
    slip: float
    renderer: str


class Listener(Protocol):
    """Called from the world's thread; stamp: s on the wall clock."""

    def on_joints(self, stamp: float, joints: np.ndarray, openness: np.ndarray) -> None: ...

    def on_images(self, stamp: float, images: dict[str, np.ndarray]) -> None: ...

    def on_status(self, stamp: float, status: WorldStatus) -> None: ...

    def on_failure(self, error: Exception) -> None: ...


class WorldLoop(threading.Thread):
    """Runs a world in real time. make: builds the world, called in this thread. now: wall clock, s.

    grippers: per arm, turns a finger position into openness. Columns of a trajectory: arm joints, then fingers.
    """

    def __init__(self, make: Callable[[], World], listener: Listener, now: Callable[[], float], *, task: str, seed: int, camera_rate: float) -> None:
        super().__init__(name="world", daemon=True)
        self._make, self._listener, self._now = make, listener, now
        self._first = (task, seed)
        self._camera_period = 1.0 / camera_rate
        self._requests: SimpleQueue[tuple[str, int, Future]] = SimpleQueue()
        self._stopping = threading.Event()
        self._player: TrajectoryPlayer | None = None
        self._commanded = np.zeros(0)
        self._trajectory_lock = threading.Lock()
        self._moved_at: float | None = None
        self._reset_at = 0.0
        self._seed, self._slip = seed, 0.0

    def reset(self, task: str, seed: int) -> Future:
        """Ask for a fresh episode; the future's result is (instruction, stamp) or the error."""
        future: Future = Future()
        self._requests.put((task, seed, future))
        return future

    def play(self, times: np.ndarray, positions: np.ndarray, stamp: float = np.inf) -> bool:
        """Splice a trajectory, due at `times` (s); without points: stop. False when every point is past.

        stamp: s, what the motion starts from. Raises InputError while the world is not built yet, and for a stamp
        before the last reset: that motion was meant for another scene.
        """
        with self._trajectory_lock:
            if self._player is None:
                raise InputError("the world is still loading; nothing can move yet")
            if stamp < self._reset_at:
                raise InputError(f"the trajectory starts {self._reset_at - stamp:.3f} s before the scene was reset")
            now = self._now()
            start = self._player.sample(now) if self._player.active else self._commanded
            if not len(times):
                self._player.clear()
                self._commanded = start
                return True
            taken = self._player.splice(times, positions, now, start)
            # A hold where the arm is begins nothing.
            if taken and self._moved_at is None and np.abs(positions - start).max() > STILL:
                self._moved_at = now
            return taken

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        world: World | None = None
        try:
            world = self._make()
            self._begin(world, *self._first)
            while not self._stopping.is_set():
                self._serve(world)
                self._tick(world)
        except Exception as error:
            self._listener.on_failure(error)
        finally:
            if world is not None:
                world.close()

    def _begin(self, world: World, task: str, seed: int) -> None:
        world.reset(task or world.tasks[0], seed)
        joints, openness = world.joint_state()
        fingers = [arm.gripper.position(float(value)) for arm, value in zip(world.embodiment.arms, openness, strict=True)]
        with self._trajectory_lock:
            self._player = TrajectoryPlayer(switched=switched_columns(world.embodiment))
            self._commanded = np.concatenate([joints, fingers])
            self._moved_at = None
            self._reset_at = self._now()
        self._seed, self._slip = seed, 0.0
        self._next = self._next_image = self._next_status = self._now()

    def _serve(self, world: World) -> None:
        try:
            task, seed, future = self._requests.get_nowait()
        except Empty:
            return
        try:
            task = task or world.task
            if task not in world.tasks:
                raise InputError(f"unknown task {task!r}; known: {', '.join(world.tasks)}")
            self._begin(world, task, seed)
            self._tick(world)
            future.set_result((world.instruction, self._next - SERVO_PERIOD))
        except InputError as error:
            future.set_exception(error)
        except Exception as error:
            future.set_exception(error)
            raise

    def _tick(self, world: World) -> None:
        """Bring the physics to the next servo instant, once the wall clock is there, and tell what is due."""
        now = self._now()
        if now < self._next:
            time.sleep(self._next - now)
        elif now - self._next > MOST_LAG:
            self._slip += now - self._next
            self._next = now
        stamp = self._next
        with self._trajectory_lock:
            if self._player.active:
                self._commanded = self._player.sample(stamp)
            commanded = self._commanded
        arms = world.embodiment.arms
        count = sum(len(arm.joints) for arm in arms)
        openness = [arm.gripper.openness(float(finger)) for arm, finger in zip(arms, commanded[count:], strict=True)]
        world.set_target(commanded[:count], np.clip(openness, 0.0, 1.0))
        world.advance(SERVO_PERIOD)
        self._listener.on_joints(stamp, *world.joint_state())
        if stamp >= self._next_image:
            self._listener.on_images(stamp, dict(world.observe().images))
            self._next_image = max(self._next_image + self._camera_period, stamp)
        if stamp >= self._next_status:
            self._listener.on_status(stamp, self._status(world, stamp))
            self._next_status = stamp + STATE_PERIOD
        self._next = stamp + SERVO_PERIOD

    def _status(self, world: World, stamp: float) -> WorldStatus:
        moving = 0.0 if self._moved_at is None else max(0.0, stamp - self._moved_at)
        steps = int(moving / world.embodiment.action.dt)
        return WorldStatus(
            world.task, self._seed, world.instruction, world.is_success(), steps, world.max_steps(), world.time, self._slip, world.renderer
        )
