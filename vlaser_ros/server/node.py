"""The server's lifecycle: configure loads the model and listens to the robot, activate serves, deactivate holds, cleanup frees.

The action and the services appear with the first activation and stay until the node is gone: a client that finds them
finds a loaded model, and when the server has been deactivated since, it is told so (MODEL_NOT_READY) instead of waiting.
Transitions run in the executor's threads beside all else: parameters, diagnostics and `get_state` answer while a model
loads, and the answer to `configure` comes when it is loaded.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleNodeMixin, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import String
from vlaser_msgs.action import Execute
from vlaser_msgs.msg import ActionChunk, ChunkVerdict, ResultCode
from vlaser_msgs.srv import Ask, Ground, Plan, Predict

from vlaser_core.errors import ConfigError, VlaserError
from vlaser_ros.diagnostics import full_name, hardware, report
from vlaser_ros.listeners import VERDICTS
from vlaser_ros.parameters import CONFIGURED, LIVE, declare, declare_group, guard_changes, read_group
from vlaser_ros.server.annotate import Annotator
from vlaser_ros.server.clock import RobotClock
from vlaser_ros.server.goal_server import GoalServer
from vlaser_ros.server.goals import Goals
from vlaser_ros.server.inference import Inference
from vlaser_ros.server.inputs import Inputs
from vlaser_ros.server.interrupt import DEACTIVATED, SHUTDOWN, Reason, clock_jumped
from vlaser_ros.server.loading import free_memory, load_engine, spare_collector
from vlaser_ros.server.outlet import Outlet
from vlaser_ros.server.reasoning import Reasoning, refuse
from vlaser_ros.server.report import Record, input_statuses, policy_status
from vlaser_ros.server.requests import Predictor
from vlaser_ros.server.settings import Settings, Setup
from vlaser_ros.server.verdicts import Verdicts
from vlaser_ros.server.views import Views

TEXT_CALLS = 4  # that may wait for the model at once
THREADS = TEXT_CALLS + 7  # those, one goal, refused goals, one transition, and always some left for images, joints and cancelling
SERVICES = {"predict": Predict, "ground": Ground, "plan": Plan, "ask": Ask}
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


@dataclass
class Loaded:
    """What configure made and cleanup drops."""

    engine: object
    inputs: Inputs
    inference: Inference
    predict: Predictor
    reasoning: Reasoning

    @property
    def views(self) -> Views:
        return self.inputs.views


class VlaserServer(LifecycleNode):
    """Hosts vlaser/execute, predict, ground, plan and ask; publishes vlaser/action_chunk. options: as rclpy's Node."""

    def __init__(self, **options) -> None:
        # LifecycleNode's own __init__ would put its services into the default group, where get_state waits for configure.
        Node.__init__(self, "vlaser_server", **options)
        self.group = ReentrantCallbackGroup()
        LifecycleNodeMixin.__init__(self, callback_group=self.group)
        self.autostart = declare(self, "autostart", True, "configure and activate at start; false: wait for a lifecycle manager")
        declare_group(self, Setup, CONFIGURED)
        declare_group(self, Settings, LIVE)
        self.settings = read_group(self, Settings)
        guard_changes(self, {Setup: self._locked, Settings: lambda: None}, self._on_changed)
        self.loaded: Loaded | None = None
        self.fault: Exception | None = None
        self.leaving, self.failed = threading.Event(), threading.Event()
        self.record, self.verdicts = Record(), Verdicts()
        self.goals = Goals(self._wake)
        self.clock = RobotClock(self, self._on_jump)
        self.chunks = self.create_publisher(ActionChunk, "vlaser/action_chunk", 10)
        self.outlet = Outlet(self.chunks.publish)
        self.create_subscription(ChunkVerdict, "vlaser/chunk_verdict", self.verdicts.put, VERDICTS, callback_group=self.group)
        # Latched: a recording that begins later still says what the robot was told.
        self.instructions = self.create_publisher(String, "vlaser/instruction", QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL))
        self.pictures = self.create_publisher(CompressedImage, "vlaser/annotated/compressed", 1)
        self.annotator = Annotator(self.pictures, lambda: self.settings.annotate, self.get_logger().warning)
        self.diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.action: ActionServer | None = None
        # On the steady clock: a simulation that pauses is no reason to fall silent.
        self.create_timer(1.0, self.diagnose, callback_group=self.group, clock=Clock(clock_type=ClockType.STEADY_TIME))

    @property
    def state(self) -> str:
        """The lifecycle state's name: unconfigured, inactive, active, finalized, or that of a transition."""
        return self._state_machine.current_state[1]

    def begin(self) -> None:
        """Configure and activate where autostart says so. Runs in its own thread; raises what a transition failed for."""
        if not self.autostart:
            self.get_logger().info("waiting to be configured: autostart is false")
            return
        for trigger in (self.trigger_configure, self.trigger_activate):
            if trigger() != SUCCESS and not self.leaving.is_set():
                raise self.fault or ConfigError("another lifecycle transition came in between while the server started by itself")

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._attempt("configure", self._load)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._attempt("activate", self._serve)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._end_goals("the server is inactive; activate it first", DEACTIVATED)
        self.get_logger().info("inactive: goals and questions are refused")
        return SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._drop("the server is not configured; configure and activate it first", SHUTDOWN)
        return SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._drop("the server was shut down for good", SHUTDOWN)
        return SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._drop("the server failed in a transition; configure and activate it again", SHUTDOWN)
        return SUCCESS

    def _attempt(self, name: str, work: Callable[[], None]) -> TransitionCallbackReturn:
        """FAILURE with the reason told where `work` raises: the node stays in the state it was in."""
        try:
            work()
        except Exception as error:  # rclpy would swallow it
            self.fault = error
            self.record.last_error = str(error) if isinstance(error, VlaserError) else f"{type(error).__name__}: {error}"
            self.get_logger().error(f"cannot {name}: {self.record.last_error}")
            if not isinstance(error, VlaserError):
                self.get_logger().error(traceback.format_exc())
            return FAILURE
        self.fault = None
        return SUCCESS

    def _load(self) -> None:
        began, setup = time.monotonic(), read_group(self, Setup)
        self.record.last_error = ""
        try:
            engine = load_engine(setup)
            inputs = Inputs(self, engine.embodiment, setup, self.clock, self.settings.max_observation_age or engine.embodiment.safety.max_observation_age)
        except BaseException:
            engine = None
            free_memory()
            raise
        inference = Inference(TEXT_CALLS, lambda line: self.get_logger().error(line))
        predict = Predictor(engine, inference, lambda: self.settings.inference_timeout)
        reasoning = Reasoning(
            engine=engine,
            inference=inference,
            predict=predict,
            views=inputs.views,
            waiting=TEXT_CALLS,
            settings=lambda: self.settings,
            now=self.clock.now,
            refusal=self.refusal,
            seen=self.annotator.said,
            meant=lambda *what: self.annotator.decided(engine.embodiment, *what),
        )
        self.loaded = Loaded(engine, inputs, inference, predict, reasoning)
        spare_collector()
        self.get_logger().info(f"engine {setup.engine!r} for {engine.embodiment.name!r} loaded in {time.monotonic() - began:.1f} s")

    def _serve(self) -> None:
        if self.action is None:
            for name, kind in SERVICES.items():
                self.create_service(kind, f"vlaser/{name}", lambda request, response, name=name: self._answer(name, request, response), callback_group=self.group)
            self.action = ActionServer(
                self,
                Execute,
                "vlaser/execute",
                execute_callback=GoalServer(self).execute,
                goal_callback=lambda _request: GoalResponse.ACCEPT,
                cancel_callback=self._on_cancel,
                callback_group=self.group,
            )
        self.goals.open()
        self.get_logger().info("ready")

    def _answer(self, name: str, request, response):
        loaded = self.loaded
        if loaded is None:
            return refuse(response, ResultCode.MODEL_NOT_READY, self.refusal())
        return getattr(loaded.reasoning, name)(request, response)

    def refusal(self) -> str | None:
        """Why nothing can be asked of the model now, or None."""
        if self.goals.closed:
            return self.goals.closed
        return self.loaded.inference.hanging() if self.loaded else "no model is loaded"

    def _on_cancel(self, handle) -> CancelResponse:
        self.goals.cancel(bytes(handle.goal_id.uuid).hex())
        return CancelResponse.ACCEPT

    def _end_goals(self, why: str, reason: Reason) -> None:
        """Refuse goals from now on, and return when the running one has ended with the arm held."""
        running, patience = self.goals.running, self.settings.verdict_timeout + 1.0
        if not self.goals.close(why, reason, patience) and self.loaded:
            self.get_logger().error(f"goal {running} did not end within {patience:.1f} s; the arm is told to hold over its head")
            self.outlet.hold(self.loaded.engine.embodiment, self.clock.now(), running)

    def _drop(self, why: str, reason: Reason) -> None:
        self._end_goals(why, reason)
        loaded, self.loaded = self.loaded, None
        if loaded is None:
            return
        hanging = loaded.inference.hanging()
        loaded.inputs.close()
        loaded.inference.close()
        del loaded
        free_memory()
        self.get_logger().info(f"unloaded; memory follows when the model returns: {hanging}" if hanging else "unloaded")

    def _locked(self) -> str | None:
        return None if self.state == "unconfigured" else f"is {CONFIGURED} (the server is {self.state})"

    def _on_changed(self) -> None:
        self.settings = read_group(self, Settings)
        if self.loaded:
            self.loaded.views.max_age = self.settings.max_observation_age or self.loaded.engine.embodiment.safety.max_observation_age

    def _on_jump(self, delta: float) -> None:
        self.get_logger().warning(f"the clock jumped by {delta:+.2f} s: pictures and joint states from before are dropped")
        if self.loaded:
            self.loaded.views.clear()
        self.goals.interrupt(clock_jumped(delta))

    def _wake(self) -> None:
        self.verdicts.wake()
        if self.loaded:
            self.loaded.views.wake()
            self.loaded.inference.wake()

    def diagnose(self) -> None:
        self.clock.watch()
        loaded, name = self.loaded, full_name(self)
        hardware_id = hardware(self, loaded.engine.embodiment.name if loaded else "vlaser")
        statuses = input_statuses(name, hardware_id, loaded.views, self.settings) if loaded else []
        if loaded:
            statuses.append(self.annotator.status(name, hardware_id, loaded.engine.embodiment))
        trouble = self.clock.missing() or (loaded.inference.hanging() if loaded else None)
        statuses.append(policy_status(name, hardware_id, self.state, trouble, self.goals.running, self.record, self.settings))
        self.diagnostics.publish(report(self.get_clock().now().to_msg(), *statuses))

    def goodbye(self) -> None:
        """End a running goal with SHUTDOWN, the arm held. Nothing is unloaded: the process ends and takes it all along."""
        self.leaving.set()
        if not self.goals.close("the server is shutting down", SHUTDOWN, 1.0) and self.loaded:
            self.outlet.hold(self.loaded.engine.embodiment, self.clock.now(), self.goals.running)
        if self.loaded:
            self.loaded.inputs.close()  # what a thread waits for cannot be taken down, and peers would miss us late
        time.sleep(0.3)  # what was published last, and the goal's result, leave in the middleware's own threads
