"""The chunk controller's node: joint history, gate, trajectory out, watchdog, latched stop.

Joint states and chunks have a thread of their own, for they come often and must not wait; nothing ever runs beside another.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory
from vlaser_msgs.msg import ActionChunk, ChunkVerdict, ResultCode

from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import InputError
from vlaser_ros.controller_messages import diagnostics, hold_trajectory, motion_trajectory
from vlaser_ros.controller_settings import ControllerSettings
from vlaser_ros.diagnostics import Meter
from vlaser_ros.faults import Fault
from vlaser_ros.input_thread import InputThread
from vlaser_ros.joint_history import JointHistory, JointsMismatch, JointsMissing
from vlaser_ros.listeners import VERDICTS
from vlaser_ros.markers import make_display
from vlaser_ros.messages import header, proposal, to_seconds, to_time
from vlaser_ros.parameters import FIXED, declare_group, read_group
from vlaser_ros.safety.clock import ClockWatch
from vlaser_ros.safety.commander import Commander, finger_positions
from vlaser_ros.safety.following import Following
from vlaser_ros.safety.latch import StopLatch
from vlaser_ros.safety.verdict import GateCode, Posture, Verdict

WATCH_PERIOD = 0.05  # s


class ChunkController(Node):
    """Subscribes vlaser/action_chunk and joint_states; publishes the gated trajectory, the verdict and a path to look at."""

    def __init__(self) -> None:
        super().__init__("chunk_controller")
        declare_group(self, ControllerSettings, FIXED)
        settings = read_group(self, ControllerSettings)
        self.embodiment = load_embodiment(settings.embodiment)
        self.hold_after, self.joints_timeout = settings.hold_after, settings.joint_states_timeout
        self.gate = settings.gate(self.embodiment)
        self.joints = JointHistory(self.embodiment, tolerance=settings.joint_states_tolerance)
        self.commander, self.following = Commander(self.embodiment), Following(self.embodiment, obeyed=settings.obeyed)
        self.clock_watch = ClockWatch(simulated=self.get_parameter("use_sim_time").value)
        self.latch = StopLatch(
            Path(settings.state_directory).expanduser() if settings.state_directory else None,
            f"domain_{self.context.get_domain_id()}{self.get_namespace()}",
        )
        self.steady, self.busy = time.monotonic, threading.RLock()
        self.accepted = self.rejected = self.driver_refusals = 0
        self.last_rejection = self.last_hold = self.robot_fault = ""
        self.chunk_meter, self.joint_meter = Meter(30.0), Meter()
        self.trajectories = self.create_publisher(JointTrajectory, settings.trajectory_topic, 10)
        self.verdicts = self.create_publisher(ChunkVerdict, "vlaser/chunk_verdict", VERDICTS)
        self.path = make_display(self, self.embodiment, lambda: self.joints)
        self.diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        kept = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.stopped = self.create_publisher(Bool, "vlaser/stopped", kept)
        sensor = QoSProfile(depth=20, reliability=ReliabilityPolicy.BEST_EFFORT)
        # Drivers of real arms tell where they stand; where there is none, nothing is told and nothing is refused.
        self.create_subscription(DiagnosticStatus, "vlaser/robot_status", self.alone(self.on_robot_status), kept)
        self.create_subscription(String, "vlaser/motion_refused", self.alone(self.on_motion_refused), 10)
        self.failed = threading.Event()
        self.inputs = InputThread(self, self.failed.set)
        for kind, topic, callback, qos in ((JointState, "joint_states", self.on_joints, sensor), (ActionChunk, "vlaser/action_chunk", self.on_chunk, 10)):
            self.inputs.add(self.create_subscription(kind, topic, self.alone(callback), qos, callback_group=self.inputs.group))
        self.create_service(Trigger, "vlaser/estop", self.alone(self.on_estop))
        self.create_service(Trigger, "vlaser/reset", self.alone(self.on_reset))
        # A clock that is set, or simulated and standing still, must not stop the watchdog.
        unmoved = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(WATCH_PERIOD, self.alone(self.watch), clock=unmoved)
        self.create_timer(1.0, self.alone(self.diagnose), clock=unmoved)
        if self.latch.stopped:
            self.gate.stop(self.latch.reason)
            self.get_logger().error(f"a stop is latched from before: {self.latch.reason}; chunks are refused until vlaser/reset")
        self.tell_stop()
        self.inputs.start()

    def alone(self, callback: Callable) -> Callable:
        """The callback, never while another runs, of whichever thread: the inputs', the executor's, or the main one with `goodbye`."""

        def guarded(*arguments):
            with self.busy:
                return callback(*arguments)

        return guarded

    def goodbye(self) -> None:
        """Leave a resting arm: the hold is the last thing this process sends."""
        with self.busy:
            self.gate.stop("the controller is ending")
            if self.commander.moving:
                self.hold(self.now(), "the controller was asked to end")
        self.inputs.close()  # what a thread waits for cannot be taken down

    def now(self) -> float:
        return self.get_clock().now().nanoseconds * 1e-9

    def moment(self) -> float:
        """ROS time in s. Where the clock was set since the last look, everything remembered by it is forgotten, and the arm holds."""
        now = self.now()
        jump = self.clock_watch.look(now, self.steady())
        if jump is not None:
            before, size = jump
            self.get_logger().error(f"the clock jumped by {size:+.2f} s: holding; joint states and times from before are forgotten")
            if self.commander.moving:
                # By the new clock the motion would be at its end, or not begun: what counts is where it was.
                self.send_hold(self.commander.hold(before, self.measured()), now, f"the clock jumped by {size:+.2f} s")
            self.commander.still_since = now
            self.joints.clear()
            self.following.reset()
        return now

    def on_joints(self, message: JointState) -> None:
        now, stamp = self.moment(), to_seconds(message.header.stamp)
        if not self.joints.add(stamp, message.name, message.position, now=now):
            return
        self.joint_meter.tick()
        newest, joints, _ = self.joints.newest()
        leap = self.following.leapt(newest, joints)
        if leap:
            self.following.reset()
            if self.commander.moving:
                self.hold(now, leap, at_measured=True)
            self.commander.told = None
            return
        if self.commander.moving and newest >= self.commander.player.begin:
            fault = self.following.compare(newest, joints, self.commander.player.sample(newest)[: len(joints)])
            if fault:
                self.stop(fault, now, at_measured=True)

    def on_robot_status(self, message: DiagnosticStatus) -> None:
        self.robot_fault = "" if message.level == DiagnosticStatus.OK else message.message or "its driver is not ready"
        if self.robot_fault and self.commander.moving:
            self.hold(self.moment(), f"the robot failed: {self.robot_fault}")

    def on_motion_refused(self, message: String) -> None:
        """A driver that refuses a motion has ended the one before as well: the arm does nothing of what it was told."""
        self.driver_refusals += 1
        if self.commander.moving:
            self.get_logger().error(f"the driver refused a motion, holding where the arm is: {message.data}")
            self.hold(self.moment(), f"the driver refused a motion: {message.data}", at_measured=True)

    def on_chunk(self, message: ActionChunk) -> None:
        self.chunk_meter.tick()
        now = self.moment()
        if message.horizon == 0:
            self.take_hold(message, now)
            return
        try:
            asked = proposal(message)
            # A stop is told whatever else is wrong, and an old chunk is old also where joint states are missing.
            verdict = self.gate.refusal(asked, now) or self.gate.check(asked, self.posture(asked.stamp, now), now)
        except Fault as fault:
            self.answer(message, now, fault.code, str(fault))
            return
        except InputError as error:
            self.answer(message, now, GateCode.SHAPE, str(error))
            return
        if not verdict.accepted:
            self.answer(message, now, verdict.code, verdict.reason)
            return
        fault = self.execute(verdict, asked.stamp, now)
        if fault:
            self.stop(fault, now)
            self.answer(message, now, GateCode.ESTOP, f"the stop is latched ({fault}); call vlaser/reset to release it")
            return
        self.answer(message, now, 0, "", due=verdict.due)
        self.path.accepted(verdict, asked.stamp, now)

    def take_hold(self, message: ActionChunk, now: float) -> None:
        if message.sequence <= self.gate.last_sequence:
            self.answer(message, now, GateCode.SEQUENCE, f"hold request {message.sequence} is not after {self.gate.last_sequence}")
            return
        self.gate.last_sequence = message.sequence
        self.hold(now, "")
        self.answer(message, now, 0, "", due=now)

    def measured(self) -> np.ndarray | None:
        """Newest joints and fingers (n + G,); None while they are unknown."""
        try:
            _, joints, openness = self.joints.newest()
        except InputError:
            return None
        return np.concatenate([joints, finger_positions(self.embodiment, openness)])

    def posture(self, stamp: float, now: float) -> Posture:
        """Joints at observation time and now. Raises Fault with the reason's code when they are not known, or the robot failed."""
        if self.robot_fault:
            raise Fault(ResultCode.ROBOT_FAILED, f"the robot is not ready: {self.robot_fault}")
        try:
            observed, _ = self.joints.at(stamp)
            newest, present, _ = self.joints.newest()
        except JointsMismatch as error:
            raise Fault(ResultCode.JOINTS_MISMATCH, str(error)) from error
        except JointsMissing as error:
            raise Fault(ResultCode.NO_JOINT_STATES, str(error)) from error
        if now - newest > self.joints_timeout:
            raise Fault(
                ResultCode.NO_JOINT_STATES,
                f"newest joint state is {now - newest:.2f} s old, at most {self.joints_timeout:.2f} s are allowed",
            )
        velocity, rested = self.joints.velocity(), self.commander.rested(stamp, now)
        if not self.following.obeyed:
            return Posture(observed, present, velocity, rested=rested)
        count, told = len(present), self.commander.commanded(now, self.measured())
        commanded_velocity = self.commander.velocity(now) if self.commander.told is not None else None
        return Posture(observed, present, velocity, told[:count], commanded_velocity, rested)

    def execute(self, verdict: Verdict, stamp: float, now: float) -> str:
        """Send an accepted motion. In words, why it was not: the ones before were ignored."""
        fault = self.following.end()
        if fault:
            return fault
        points = self.commander.play(verdict.motion, now, self.measured())
        self.trajectories.publish(motion_trajectory(self.embodiment, verdict.motion, points, stamp))
        return ""

    def hold(self, now: float, reason: str, *, at_measured: bool = False) -> None:
        """Stay at the commanded position; where the motions before turn out to have been ignored, latch the stop.

        Raises nothing when joints are unknown: then nothing was ever commanded.
        """
        ignored = self.following.end() if self.commander.moving else ""
        self.send_hold(self.commander.hold(now, self.measured(), at_measured=at_measured), now, reason)
        if ignored and not self.gate.stopped:
            self.latch_stop(ignored)

    def send_hold(self, place: np.ndarray | None, now: float, reason: str) -> None:
        if reason:
            self.last_hold = reason
        if place is None:
            self.get_logger().warning("no hold sent: the arm was never told to move and its posture is unknown")
            return
        self.trajectories.publish(hold_trajectory(self.embodiment, place, now))
        self.path.over(now)

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
        if self.commander.moving:
            self.hold(now, f"chunk refused, {self.last_rejection}")
        self.path.refused(chunk, now, reason)

    def watch(self) -> None:
        """Out of data, or blind: hold."""
        now = self.moment()
        if not self.commander.moving:
            return
        newest = self.joints.newest_stamp()
        if newest is None or now - newest > self.joints_timeout:
            self.get_logger().error(f"no joint states for {self.joints_timeout:.2f} s while moving: holding")
            self.hold(now, "joint states stopped while moving")
        elif now > self.commander.player.end + self.hold_after:
            self.hold(now, "")

    def stop(self, reason: str, now: float, *, at_measured: bool = False) -> str:
        """Hold, and refuse every chunk until reset; in words, what went wrong about it. The hold goes out first."""
        self.gate.stop(reason)
        self.hold(now, reason, at_measured=at_measured)
        return self.latch_stop(reason)

    def latch_stop(self, reason: str) -> str:
        self.gate.stop(reason)
        self.get_logger().error(f"stop latched: {reason}; the arm holds, chunks are refused until vlaser/reset")
        self.tell_stop()
        try:
            self.latch.latch(reason)
        except OSError as error:
            self.get_logger().error(f"the stop could not be written down and would be forgotten by a restart: {error}")
            return f"; but a restart would forget it: {error}"
        return ""

    def tell_stop(self) -> None:
        self.stopped.publish(Bool(data=self.gate.stopped))

    def on_estop(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        failed = self.stop("vlaser/estop was called", self.moment())
        response.success, response.message = True, f"stopped; the arm holds until vlaser/reset{failed}"
        return response

    def on_reset(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        was = self.gate.stopped
        try:
            self.latch.release()
        except OSError as error:
            response.success, response.message = False, f"still stopped: {self.latch.path} cannot be removed: {error}"
            return response
        self.gate.release()
        self.following.reset()
        self.tell_stop()
        response.success, response.message = True, "stop released" if was else "no stop was latched"
        return response

    def diagnose(self) -> None:
        self.diagnostics.publish(diagnostics(self))
