"""The server's node: loading (configure) apart from serving (activate), so that a client that finds the action finds a model."""

from __future__ import annotations

import threading
import time
from itertools import count
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image, JointState
from vlaser_msgs.action import Execute
from vlaser_msgs.msg import ActionChunk, ChunkVerdict, ResultCode
from vlaser_msgs.srv import Ask, Ground, Plan, Predict

from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import ConfigError
from vlaser_core.reasoning.draw import annotated
from vlaser_ros.diagnostics import OK, WARN, Meter, level, report, status
from vlaser_ros.images import to_compressed
from vlaser_ros.joint_history import JointHistory
from vlaser_ros.messages import hold_message
from vlaser_ros.parameters import declare
from vlaser_ros.server.execute import PolicyRun, Settings
from vlaser_ros.server.reasoning import Reasoning
from vlaser_ros.server.verdicts import Verdicts
from vlaser_ros.server.views import Views

TEXT_CALLS = 4  # that may wait for the model at once
THREADS = TEXT_CALLS + 6  # those, one goal, refused goals, and always some left for images, joints and cancelling
DONE_QUESTION = "Is the task done: {instruction}?"  # as the model was trained to be asked


class VlaserServer(Node):
    """Hosts vlaser/execute, predict, ground, plan and ask; publishes vlaser/action_chunk."""

    def __init__(self) -> None:
        super().__init__("vlaser_server")
        self.stop = threading.Event()
        self.verdicts = Verdicts()
        self.engine = None
        self.views: Views | None = None
        self._goal = threading.Lock()
        self._goal_id = ""
        # Starting from the clock keeps the controller from taking a restarted server's chunks for old ones.
        self._sequence = count(int(time.time() * 1000))
        self._sequence_lock = threading.Lock()
        self.rejections, self.last_error, self.inference_s = 0, "", 0.0
        self.goal_meter, self.chunk_meter = Meter(60.0), Meter(30.0)
        self._declare()
        self.group = ReentrantCallbackGroup()
        self.inputs = MutuallyExclusiveCallbackGroup()
        self.chunks = self.create_publisher(ActionChunk, "vlaser/action_chunk", 10)
        self.pictures = self.create_publisher(CompressedImage, "vlaser/annotated/compressed", 1)
        self.diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_timer(1.0, self.diagnose, callback_group=self.group)

    def _declare(self) -> None:
        self.engine_kind = declare(self, "engine", "vlaser", "vlaser: the model; stand_in: a straight-line policy without weights, for tests")
        if self.engine_kind not in ("vlaser", "stand_in"):
            raise ConfigError(f"parameter 'engine' is {self.engine_kind!r}, expected vlaser or stand_in")
        self.checkpoint = declare(self, "checkpoint", "", "checkpoint folder; empty: the small one that ships with the project")
        self.device = declare(self, "device", "cpu", "torch device, e.g. cpu or cuda")
        self.dtype = declare(self, "dtype", "float32", "torch dtype of the weights, e.g. float32 or bfloat16")
        self.torch_threads = declare(self, "threads", 1, "CPU threads of the model", low=1, high=1024)
        self.contract = declare(self, "embodiment", "", "contract that the checkpoint must be for; empty: the checkpoint's (stand_in: widowx)")
        self.image_topics = declare(self, "image_topics", [""], "one a camera, in the contract's order; empty: camera/<name>/image_raw")
        self.reliability = declare(self, "image_reliability", "reliable", "reliable, or best_effort for drivers that publish so (needs the DDS profile)")
        self.max_age = declare(self, "max_observation_age", 0.0, "s, oldest view to act on; 0: the contract's", low=0.0)
        self.sync_tolerance = declare(self, "sync_tolerance", 0.05, "s between the cameras of one view", low=0.0)
        self.joints_tolerance = declare(self, "joint_states_tolerance", 0.06, "s, gap between joint states that is interpolated", low=0.001)
        self.delay = declare(self, "stand_in_delay", 0.05, "s a call of the stand-in takes", low=0.0, high=60.0)
        self.target = declare(self, "stand_in_target", [0.25, 0.0, 0.2], "m, base frame: where the stand-in moves the grasp point")
        self.stride = declare(self, "stand_in_stride", 0.02, "m a step of the stand-in is long at most", low=0.0)
        self.observation_timeout = declare(self, "observation_timeout", 2.0, "s to wait for a view", low=0.05)
        self.settings = Settings(
            default_timeout=declare(self, "default_timeout", 60.0, "s, for goals without a timeout", low=0.1),
            observation_timeout=self.observation_timeout,
            verdict_timeout=declare(self, "verdict_timeout", 1.0, "s to wait for the controller's verdict on a chunk", low=0.05),
            end_tolerance=declare(self, "end_tolerance", 0.01, "s before a chunk's end that the next view may be taken", low=0.0),
            max_rejections=declare(self, "max_rejections", 3, "rejected chunks in a row that end a goal", low=1, high=1000),
            done_check_every=declare(self, "done_check_every", 5, "chunks between two questions whether the task is done", low=1, high=1000000),
            done_question=declare(self, "done_question", DONE_QUESTION, "question for stop_when_done; {instruction} is filled in"),
        )

    def begin(self) -> None:
        """Load, then serve. Runs in its own thread; raises VlaserError subclasses when loading fails."""
        self.configure()
        self.activate()

    def configure(self) -> None:
        """Load the engine and begin to listen to the robot."""
        began = time.monotonic()
        if self.engine_kind == "stand_in":
            from vlaser_ros.stand_in import StandInEngine

            robot = load_embodiment(self.contract or "widowx")
            self.engine = StandInEngine(robot, delay=self.delay, target=tuple(self.target), stride=self.stride)
        else:
            # Only here: a stand-in server, and every other node, runs without torch.
            from vlaser_core.engine import Engine

            checkpoint = Path(self.checkpoint) if self.checkpoint else None
            self.engine = Engine.load(checkpoint, device=self.device, dtype=self.dtype, threads=self.torch_threads)
            if self.contract and load_embodiment(self.contract).name != self.engine.embodiment.name:
                raise ConfigError(f"the checkpoint is for embodiment {self.engine.embodiment.name!r}, parameter 'embodiment' says {self.contract!r}")
        self._listen()
        self.get_logger().info(f"engine {self.engine_kind!r} for {self.engine.embodiment.name!r} loaded in {time.monotonic() - began:.1f} s")

    def _listen(self) -> None:
        robot = self.engine.embodiment
        topics = [topic for topic in self.image_topics if topic] or [f"camera/{camera.name}/image_raw" for camera in robot.cameras]
        if len(topics) != len(robot.cameras):
            raise ConfigError(f"image_topics has {len(topics)} entries {topics}, embodiment {robot.name!r} has cameras {[camera.name for camera in robot.cameras]}")
        age = self.max_age or robot.safety.max_observation_age
        history = JointHistory(robot, tolerance=self.joints_tolerance)
        topics = [self.resolve_topic_name(topic) for topic in topics]
        joints_topic = self.resolve_topic_name("joint_states")
        self.views = Views(robot, topics, history, self.now, max_age=age, sync_tolerance=self.sync_tolerance, joints_topic=joints_topic)
        policies = {"reliable": ReliabilityPolicy.RELIABLE, "best_effort": ReliabilityPolicy.BEST_EFFORT}
        if self.reliability not in policies:
            raise ConfigError(f"parameter 'image_reliability' is {self.reliability!r}, expected one of {list(policies)}")
        images = QoSProfile(depth=2, reliability=policies[self.reliability])
        for camera, topic in zip(robot.cameras, topics, strict=True):
            kind = CompressedImage if topic.endswith("/compressed") else Image
            self.create_subscription(kind, topic, lambda message, name=camera.name: self.views.on_image(name, message), images, callback_group=self.inputs)
        joint_states = QoSProfile(depth=20, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.create_subscription(JointState, "joint_states", self.views.on_joints, joint_states, callback_group=self.inputs)
        self.create_subscription(ChunkVerdict, "vlaser/chunk_verdict", self.verdicts.put, 10, callback_group=self.group)

    def activate(self) -> None:
        """Offer the action and the services; whoever finds them finds a loaded model."""
        self.reasoning = Reasoning(
            engine=self.engine,
            views=self.views,
            waiting=TEXT_CALLS,
            observation_timeout=self.observation_timeout,
            now=self.now,
            seen=lambda image, header, found: self.show(image, header, found.phrase, found),
        )
        for kind, name in ((Predict, "predict"), (Ground, "ground"), (Plan, "plan"), (Ask, "ask")):
            self.create_service(kind, f"vlaser/{name}", getattr(self.reasoning, name), callback_group=self.group)
        self.action = ActionServer(
            self,
            Execute,
            "vlaser/execute",
            execute_callback=self.execute,
            goal_callback=lambda _request: GoalResponse.ACCEPT,
            cancel_callback=self.on_cancel,
            callback_group=self.group,
        )
        self.get_logger().info("ready")

    def now(self) -> float:
        return self.get_clock().now().nanoseconds * 1e-9

    def next_sequence(self) -> int:
        with self._sequence_lock:
            return next(self._sequence)

    def on_cancel(self, _goal) -> CancelResponse:
        return CancelResponse.ACCEPT

    def execute(self, handle) -> Execute.Result:
        """One goal at a time. A second is accepted and aborted at once: a rejected goal cannot carry its reason to the client."""
        if not self._goal.acquire(blocking=False):
            handle.abort()
            message = f"goal {self._goal_id} is running; cancel it first"
            return Execute.Result(outcome=Execute.Result.FAILED, error_code=ResultCode.BUSY, error_msg=message)
        try:
            self._goal_id = bytes(handle.goal_id.uuid).hex()
            self.goal_meter.tick()
            result = self._run(handle)
            self._conclude(handle, result)
        finally:
            self._goal.release()
        return result

    def _conclude(self, handle, result: Execute.Result) -> None:
        if result.outcome in (Execute.Result.DONE, Execute.Result.MAX_CHUNKS):
            handle.succeed()
        elif result.outcome == Execute.Result.STOPPED:
            handle.canceled()
        else:
            self.last_error = f"{result.error_code}: {result.error_msg}"
            self.get_logger().warning(f"goal aborted, {self.last_error}")
            handle.abort()

    def _run(self, handle) -> Execute.Result:
        run = PolicyRun(
            engine=self.engine,
            views=self.views,
            verdicts=self.verdicts,
            settings=self.settings,
            now=self.now,
            next_sequence=self.next_sequence,
            listened=self.listened,
            publish=self.publish_chunk,
            hold=self.hold,
            feedback=lambda feedback: self._feed(handle, feedback),
            seen=lambda view, text: self._show_view(view, text),
            cancelled=lambda: handle.is_cancel_requested,
            stopping=self.stop.is_set,
        )
        return run.run(handle.request, self._goal_id)

    def listened(self) -> bool:
        """Whether somebody takes chunks, and somebody gives verdicts."""
        return self.chunks.get_subscription_count() > 0 and self.count_publishers(self.resolve_topic_name("vlaser/chunk_verdict")) > 0

    def publish_chunk(self, message: ActionChunk) -> None:
        self.inference_s = message.inference_time
        self.chunk_meter.tick()
        self.chunks.publish(message)

    def hold(self, goal_id: str) -> int:
        sequence = self.next_sequence()
        self.chunks.publish(hold_message(self.engine.embodiment, stamp=self.now(), sequence=sequence, goal_id=goal_id))
        return sequence

    def _feed(self, handle, feedback: Execute.Feedback) -> None:
        self.rejections += not feedback.verdict.accepted
        handle.publish_feedback(feedback)

    def _show_view(self, view, text: str) -> None:
        name = next(iter(view.observation.images))
        self.show(view.observation.images[name], view.headers[name], text, None)

    def show(self, image, header, text: str, found) -> None:
        # Drawing and JPEG cost milliseconds on the motion's path: only when someone looks.
        if self.pictures.get_subscription_count():
            self.pictures.publish(to_compressed(annotated(image, () if found is None else (found,), text), header=header))

    def diagnose(self) -> None:
        statuses = []
        if self.views is not None:
            for name, meter in self.views.image_meters.items():
                age = meter.age()
                judged = level(age, 0.5, 2.0)
                statuses.append(status(f"vlaser_server: camera {name}", judged, self.views.topics[name], rate_hz=meter.rate(), age_s=age))
            age = self.views.joint_meter.age()
            statuses.append(status("vlaser_server: joint states", level(age, 0.1, 0.5), self.views.joints_topic, rate_hz=self.views.joint_meter.rate(), age_s=age))
        state = "executing" if self._goal.locked() else "ready" if self.engine is not None and hasattr(self, "action") else "loading"
        statuses.append(
            status(
                "vlaser_server: policy",
                OK if state != "loading" else WARN,
                state,
                goals=self.goal_meter.total,
                chunks=self.chunk_meter.total,
                chunk_rate_hz=self.chunk_meter.rate(),
                rejections=self.rejections,
                inference_s=self.inference_s,
                last_error=self.last_error,
            )
        )
        self.diagnostics.publish(report(self.get_clock().now().to_msg(), *statuses))

    def goodbye(self) -> None:
        """End a running goal with SHUTDOWN; when it sits in inference, at least tell the controller to hold."""
        self.stop.set()
        self.verdicts.wake()
        if self.views is not None:
            self.views.wake()
        if not self._goal.acquire(timeout=1.0):
            self.hold(self._goal_id)
        time.sleep(0.3)  # what was published last, and the goal's result, leave in the middleware's own threads
