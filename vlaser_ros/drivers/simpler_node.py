"""SimplerEnv's node: takes the policy's chunks as they are, for its own controllers are part of the benchmark.

There is no gate and no inverse kinematics here: the chunk is checked for its shape, executed, and answered as the chunk
controller would answer it. Time is this node's own and is published on /clock.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock as RosClock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from vlaser_msgs.msg import ActionChunk, ChunkVerdict, ResultCode, WorldState
from vlaser_msgs.srv import ResetWorld

from sim_bridge.simpler.installation import find_installation
from sim_bridge.simpler.link import EPISODE_TIMEOUT, SimulatorFault, SimulatorLost
from sim_bridge.simpler.world import SimplerWorld
from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import ConfigError, InputError
from vlaser_core.processing.actions import check_chunk
from vlaser_core.types import Observation
from vlaser_ros.diagnostics import ERROR, OK, WARN, full_name, hardware, report, status
from vlaser_ros.drivers.lockstep import Ask, LockStep
from vlaser_ros.images import to_message
from vlaser_ros.listeners import VERDICTS
from vlaser_ros.messages import core_chunk, header, to_time
from vlaser_ros.parameters import declare


class SimplerDriver(Node):
    """Pictures, stated proprioception and /clock out; action chunks in, verdicts out; ~/reset and ~/state as the sim driver's.

    Its name is the sim driver's, so that clients need not know which simulator there is. options: as rclpy's Node.
    """

    def __init__(self, **options) -> None:
        super().__init__("sim_driver", **options)
        self.embodiment = load_embodiment(declare(self, "embodiment", "widowx", "contract name or path of a .yaml"))
        checkout = declare(self, "checkout", "", "folder of SimplerEnv that `vlaser simpler setup` has prepared")
        suite = declare(self, "suite", "widowx", "widowx, google_vm or google_va")
        task = declare(self, "task", "", "task of the first episode; empty: the suite's first")
        seed = declare(self, "seed", 0, "which of the task's episodes is the first", low=0)
        topics = [topic for topic in declare(self, "image_topics", [""], "of the one camera; empty: camera/<name>/image_raw") if topic]
        if not checkout:
            raise ConfigError("parameter 'checkout' is empty: say where SimplerEnv is, e.g. checkout:=SimplerEnv; `vlaser simpler setup` prepares it")
        installation = find_installation(Path(checkout))
        self.camera = self.embodiment.cameras[0]
        self.failed = threading.Event()
        self.accepted, self.rejected, self.last_loss, self._newest = 0, 0, "", 0
        self.images = self.create_publisher(Image, topics[0] if topics else f"camera/{self.camera.name}/image_raw", QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE))
        self.proprio = self.create_publisher(JointState, "proprio", 20)
        self.clock = self.create_publisher(Clock, "/clock", 10)
        self.verdicts = self.create_publisher(ChunkVerdict, "vlaser/chunk_verdict", VERDICTS)
        self.states = self.create_publisher(WorldState, "~/state", 1)
        self.diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.loop = LockStep(
            lambda: SimplerWorld(installation, suite, self.embodiment),
            self,
            task=task,
            seed=seed,
            dt=self.embodiment.action.dt,
            lost=(SimulatorLost, SimulatorFault),
            # A driver that was started again goes on later than the one before: nobody's clock jumps back.
            start=time.time(),
        )
        self.create_subscription(ActionChunk, "vlaser/action_chunk", self.on_chunk, 10)
        self.create_service(ResetWorld, "~/reset", self.on_reset, callback_group=MutuallyExclusiveCallbackGroup())
        self.create_timer(1.0, self.diagnose, clock=RosClock(clock_type=ClockType.STEADY_TIME))

    def begin(self) -> None:
        self.loop.start()

    def goodbye(self) -> None:
        self.loop.stop()
        self.loop.join(timeout=2.0)

    def on_chunk(self, message: ActionChunk) -> None:
        if not message.horizon:
            # Nothing moves between chunks: to hold is what it does anyway.
            self._answer(message, self.loop.now, 0, "")
            return
        try:
            code, why = self._fault(message)
            chunk = core_chunk(message)
            check_chunk(self.embodiment, chunk.actions)
        except InputError as error:
            code, why = ResultCode.GATE_NOT_FINITE if "finite" in str(error) or "nan" in str(error) or "inf" in str(error) else ResultCode.GATE_SHAPE, str(error)
        if why:
            self._answer(message, 0.0, code, why)
            return
        self._newest = message.sequence
        self.loop.play(Ask(chunk, message.executed_steps, message.goal_id, lambda end, why: self._answer(message, end, ResultCode.WORLD_FAILED if why else 0, why)))

    def _fault(self, message: ActionChunk) -> tuple[int, str]:
        """What is wrong with a chunk as such, as a ResultCode and in words; (0, "") for nothing."""
        action = self.embodiment.action
        if message.embodiment != self.embodiment.name or tuple(message.names) != action.names:
            return ResultCode.GATE_SHAPE, f"the chunk is for {message.embodiment!r} {list(message.names)}, this world has {self.embodiment.name!r} {list(action.names)}"
        if abs(message.dt - action.dt) > 1e-6 or not 1 <= message.executed_steps <= message.horizon:
            return ResultCode.GATE_SHAPE, f"the chunk has {message.executed_steps} of {message.horizon} steps of {message.dt:g} s, this world acts every {action.dt:g} s"
        if message.sequence <= self._newest:
            return ResultCode.GATE_SEQUENCE, f"chunk {message.sequence} came after {self._newest}"
        return 0, ""

    def _answer(self, message: ActionChunk, end: float, code: int, why: str) -> None:
        if message.horizon:
            self.accepted, self.rejected = self.accepted + (not why), self.rejected + bool(why)
        now = self.loop.now
        verdict = ChunkVerdict(header=header(now, self.embodiment.base_frame), sequence=message.sequence, goal_id=message.goal_id)
        verdict.accepted, verdict.code, verdict.reason = not why, int(code), why
        verdict.age = now - (message.header.stamp.sec + message.header.stamp.nanosec * 1e-9)
        if not why:
            verdict.end = to_time(end)
        self.verdicts.publish(verdict)

    def on_reset(self, request: ResetWorld.Request, response: ResetWorld.Response) -> ResetWorld.Response:
        try:
            instruction, stamp = self.loop.reset(request.task, request.seed).result(timeout=EPISODE_TIMEOUT)
        except FutureTimeout:
            response.message = f"the world did not reset within {EPISODE_TIMEOUT:.0f} s"
        except Exception as error:  # what a simulator raises is the caller's to read; the loop decides whether it goes on
            response.message = f"{type(error).__name__}: {error}"
        else:
            response.success, response.instruction, response.stamp = True, instruction, to_time(stamp)
        return response

    def on_time(self, now: float) -> None:
        self.clock.publish(Clock(clock=to_time(now)))

    def on_view(self, observation: Observation, pictures: bool) -> None:
        names = self.embodiment.proprio.names
        self.proprio.publish(JointState(header=header(observation.stamp, self.embodiment.base_frame), name=list(names), position=np.asarray(observation.proprio).tolist()))
        if pictures:
            self.images.publish(to_message(observation.images[self.camera.name], header=header(observation.stamp, self.camera.frame_id)))

    def on_status(self, now: float) -> None:
        world = self.loop.world
        self.states.publish(
            WorldState(
                header=header(now, self.embodiment.base_frame),
                task=world.task,
                seed=world.seed,
                instruction=world.instruction,
                success=world.success,
                steps=world.steps,
                max_steps=world.max_steps,
                sim_time=world.steps * self.embodiment.action.dt,
                renderer=world.renderer,
            )
        )

    def on_loss(self, error: Exception) -> None:
        self.last_loss = str(error).splitlines()[0]
        self.get_logger().error(f"the simulator was lost and is begun anew: {error}")

    def on_failure(self, error: Exception) -> None:
        self.get_logger().fatal(f"the world failed: {type(error).__name__}: {error}")
        self.failed.set()

    def diagnose(self) -> None:
        world = self.loop.world
        ready = world is not None and world.task != ""
        words = f"restarted: {self.last_loss}" if self.loop.restarts else "waiting for chunks" if ready else "loading"
        told = status(
            f"{full_name(self)}: world",
            ERROR if self.failed.is_set() else WARN if self.loop.restarts or not ready else OK,
            words,
            hardware_id=hardware(self, self.embodiment.name),
            task=world.task if ready else "",
            episode=world.seed if ready else 0,
            renderer=world.renderer if ready else "",
            chunks_accepted=self.accepted,
            chunks_rejected=self.rejected,
            restarts=self.loop.restarts,
            slowest_chunk_s=self.loop.slowest,
        )
        self.diagnostics.publish(report(to_time(self.loop.now), told))
