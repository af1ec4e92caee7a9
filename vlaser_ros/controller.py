"""The chunk controller's node: joint history, gate, trajectory out, watchdog, latched stop. One thread runs all of it."""

from __future__ import annotations

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
from visualization_msgs.msg import MarkerArray
from vlaser_msgs.msg import ActionChunk, ChunkVerdict, ResultCode

from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import InputError
from vlaser_ros.diagnostics import ERROR, OK, WARN, Meter, level, report, status
from vlaser_ros.faults import Fault
from vlaser_ros.joint_history import JointHistory, JointsMismatch, JointsMissing
from vlaser_ros.markers import path_markers
from vlaser_ros.messages import header, joint_trajectory, proposal, to_duration, to_seconds, to_time
from vlaser_ros.parameters import declare
from vlaser_ros.safety.gate import Gate, GateCode, Posture, Verdict
from vlaser_ros.trajectory import TrajectoryPlayer

HOLD_RAMP = 0.1  # s in which a hold position is taken: no step for the driver, and it is where the arm is anyway


class ChunkController(Node):
    """Subscribes vlaser/action_chunk and joint_states; publishes the gated trajectory, the verdict and a path to look at."""

    def __init__(self) -> None:
        super().__init__("chunk_controller")
        self.embodiment = load_embodiment(declare(self, "embodiment", "widowx", "contract name or path of a .yaml"))
        max_age = declare(self, "max_observation_age", 0.0, "s, oldest observation a chunk may be computed from; 0: the contract's", low=0.0)
        tolerance = declare(self, "clock_tolerance", 0.02, "s an observation may lie in the future", low=0.0)
        retime = declare(self, "retime", False, "start chunks when they arrive, not at observation time: for slow models and a resting arm")
        self.hold_after = declare(self, "hold_after", 0.1, "s after the last due step until the hold is sent", low=0.0)
        self.joints_timeout = declare(self, "joint_states_timeout", 0.3, "s without joint states after which nothing may move", low=0.02)
        bridged = declare(self, "joint_states_tolerance", 0.06, "s, gap between joint states that is interpolated", low=0.001)
        topic = declare(self, "trajectory_topic", "arm_controller/joint_trajectory", "joint trajectory topic of the arm's controller")
        self.gate = Gate(self.embodiment, max_age=max_age or None, clock_tolerance=tolerance, retime=retime)
        self.joints = JointHistory(self.embodiment, tolerance=bridged)
        count = len(self.embodiment.joint_names)
        self.player = TrajectoryPlayer(switched=tuple(range(count, count + len(self.embodiment.arms))))
        self.fingers: np.ndarray | None = None
        self.accepted = self.rejected = 0
        self.last_rejection = ""
        self.chunk_meter, self.joint_meter = Meter(30.0), Meter()
        self.trajectories = self.create_publisher(JointTrajectory, topic, 10)
        self.verdicts = self.create_publisher(ChunkVerdict, "vlaser/chunk_verdict", 10)
        self.paths = self.create_publisher(MarkerArray, "vlaser/path", 1)
        self.diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        sensor = QoSProfile(depth=20, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.create_subscription(JointState, "joint_states", self.on_joints, sensor)
        self.create_subscription(ActionChunk, "vlaser/action_chunk", self.on_chunk, 10)
        self.create_service(Trigger, "vlaser/estop", self.on_estop)
        self.create_service(Trigger, "vlaser/reset", self.on_reset)
        self.create_timer(0.05, self.watch)
        self.create_timer(1.0, self.diagnose)

    def now(self) -> float:
        return self.get_clock().now().nanoseconds * 1e-9

    def on_joints(self, message: JointState) -> None:
        if self.joints.add(to_seconds(message.header.stamp), message.name, message.position):
            self.joint_meter.tick()

    def on_chunk(self, message: ActionChunk) -> None:
        self.chunk_meter.tick()
        now = self.now()
        if message.horizon == 0:
            self.take_hold(message, now)
            return
        try:
            asked = proposal(message)
            verdict = self.gate.check(asked, self.posture(asked.stamp, now), now)
        except Fault as fault:
            self.answer(message, now, fault.code, str(fault))
            return
        except InputError as error:
            self.answer(message, now, GateCode.SHAPE, str(error))
            return
        if not verdict.accepted:
            self.answer(message, now, verdict.code, verdict.reason)
            return
        self.execute(verdict, now)
        self.answer(message, now, 0, "", due=verdict.due)

    def take_hold(self, message: ActionChunk, now: float) -> None:
        if message.sequence <= self.gate.last_sequence:
            self.answer(message, now, GateCode.SEQUENCE, f"hold request {message.sequence} is not after {self.gate.last_sequence}")
            return
        self.gate.last_sequence = message.sequence
        self.hold(now)
        self.answer(message, now, 0, "", due=now)

    def posture(self, stamp: float, now: float) -> Posture:
        """Joints at observation time and now. Raises Fault with the reason's code when they are not known."""
        try:
            observed, _ = self.joints.at(stamp)
            newest, present, _ = self.joints.newest()
        except JointsMismatch as error:
            raise Fault(ResultCode.JOINTS_MISMATCH, str(error)) from error
        except JointsMissing as error:
            raise Fault(ResultCode.NO_JOINT_STATES, str(error)) from error
        if now - newest > self.joints_timeout:
            raise Fault(ResultCode.NO_JOINT_STATES, f"newest joint state is {now - newest:.2f} s old, at most {self.joints_timeout:.2f} s are allowed")
        return Posture(observed, present, self.joints.velocity())

    def execute(self, verdict: Verdict, now: float) -> None:
        message = joint_trajectory(self.embodiment, verdict.waypoints, verdict.first)
        times = verdict.waypoints.stamp + np.array([to_seconds(point.time_from_start) for point in message.points])
        positions = np.array([point.positions for point in message.points])
        self.player.splice(times, positions, now, self.commanded(now))
        self.fingers = positions[-1, len(self.embodiment.joint_names) :]
        self.trajectories.publish(message)
        self.paths.publish(path_markers(self.embodiment, verdict.waypoints))

    def commanded(self, now: float) -> np.ndarray:
        """Arm and finger positions the arm was last told to be at; measured ones where it was told nothing."""
        if self.player.active:
            return self.player.sample(now)
        _, joints, openness = self.joints.newest()
        measured = [arm.gripper.position(float(value)) for arm, value in zip(self.embodiment.arms, openness, strict=True)]
        # Fingers around an object stand wider than commanded; holding them where they are would let go of it.
        return np.concatenate([joints, measured if self.fingers is None else self.fingers])

    def hold(self, now: float) -> None:
        """Stay at the commanded position. Raises nothing when joints are unknown: then nothing was ever commanded."""
        try:
            positions = self.commanded(now)
        except InputError as error:
            self.get_logger().warning(f"no hold sent, the arm was never told to move and its posture is unknown: {error}")
            return
        self.player.clear()
        message = JointTrajectory(header=header(now, self.embodiment.base_frame))
        message.joint_names = [*self.embodiment.joint_names, *(arm.gripper.joint for arm in self.embodiment.arms)]
        message.points = [JointTrajectoryPoint(positions=[float(value) for value in positions], time_from_start=to_duration(HOLD_RAMP))]
        self.trajectories.publish(message)

    def answer(self, chunk: ActionChunk, now: float, code: int, reason: str, *, due: float = 0.0) -> None:
        """Publish the verdict; a refusal also stops what may still be moving."""
        verdict = ChunkVerdict(header=header(now, self.embodiment.base_frame), sequence=chunk.sequence, goal_id=chunk.goal_id)
        verdict.accepted, verdict.code, verdict.reason = code == 0, int(code), reason
        verdict.age, verdict.end = now - to_seconds(chunk.header.stamp), to_time(due)
        self.verdicts.publish(verdict)
        if code == 0:
            self.accepted += 1
            return
        self.rejected += 1
        self.last_rejection = f"{int(code)}: {reason}"
        self.get_logger().warning(f"chunk {chunk.sequence} rejected, {self.last_rejection}")
        if self.player.active:
            self.hold(now)

    def watch(self) -> None:
        """Out of data, or blind: hold."""
        if not self.player.active:
            return
        now = self.now()
        newest = self.joints.newest_stamp()
        if newest is None or now - newest > self.joints_timeout:
            self.get_logger().error(f"no joint states for {self.joints_timeout:.2f} s while moving: holding")
            self.hold(now)
        elif now > self.player.end + self.hold_after:
            self.hold(now)

    def on_estop(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.gate.stop()
        self.hold(self.now())
        self.get_logger().error("stop latched: the arm holds, chunks are refused until vlaser/reset")
        response.success, response.message = True, "stopped; the arm holds until vlaser/reset"
        return response

    def on_reset(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        was = self.gate.stopped
        self.gate.release()
        response.success, response.message = True, "stop released" if was else "no stop was latched"
        return response

    def diagnose(self) -> None:
        age = self.joint_meter.age()
        joints = status(
            "chunk_controller: joint states",
            level(age, 0.1, self.joints_timeout),
            "arriving" if age < self.joints_timeout else "missing",
            rate_hz=self.joint_meter.rate(),
            age_s=age,
        )
        gate = status(
            "chunk_controller: gate",
            ERROR if self.gate.stopped else WARN if self.rejected and self.chunk_meter.age() < 30.0 and self.last_rejection else OK,
            "stop latched" if self.gate.stopped else "open",
            accepted=self.accepted,
            rejected=self.rejected,
            last_rejection=self.last_rejection,
            chunk_rate_hz=self.chunk_meter.rate(),
            moving=self.player.active,
        )
        self.diagnostics.publish(report(self.get_clock().now().to_msg(), joints, gate))
