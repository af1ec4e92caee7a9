"""The node of a real arm, or of several: trajectories in, joint states in the contract's names out, motors behind links."""

from __future__ import annotations

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import InputError
from vlaser_ros.diagnostics import ERROR, OK, WARN, Meter, full_name, hardware, report, status
from vlaser_ros.drivers.arm_settings import BoundSettings, make_links
from vlaser_ros.drivers.inquiry import Inquiry
from vlaser_ros.drivers.links import Link
from vlaser_ros.drivers.servo import Phase, RobotFailed, Servo, columns
from vlaser_ros.drivers.trajectory_message import read_trajectory
from vlaser_ros.messages import header, to_seconds
from vlaser_ros.parameters import declare

LEVELS = {Phase.CHECKING: WARN, Phase.READY: OK, Phase.FAILED: ERROR}


class ArmDriver(Node):
    """Checks the robot, then plays trajectories on it; a fault is latched until ~/recover. Runs in one thread."""

    def __init__(self, name: str, embodiment: str, **node_options) -> None:
        super().__init__(name, **node_options)
        self.embodiment = load_embodiment(declare(self, "embodiment", embodiment, "contract name or path of a .yaml"))
        topic = declare(self, "trajectory_topic", "arm_controller/joint_trajectory", "joint trajectory topic to obey")
        rate = declare(self, "servo_rate", 50.0, "Hz, commands to the motors", low=10.0, high=200.0)
        self.minimum_rate = declare(self, "minimum_rate", 20.0, "Hz of joint states below which the robot is not taken", low=1.0)
        self.health_period = declare(self, "health_period", 2.0, "s between readings of the motors' error registers; 0: never", low=0.0)
        self.servo = Servo(self.embodiment, BoundSettings(self, self.embodiment).bounds)
        self.links: list[Link] = make_links(self, self.embodiment)
        self.columns = columns(self.embodiment)
        self.meters, self.command_meter = [Meter() for _ in self.links], Meter()
        self.refused, self.last_refusal = 0, ""
        self.inquiries: list[Inquiry] = []
        self._stamps = [-np.inf] * len(self.links)
        self._published, self._checking_since, self._health_at = -np.inf, self.now(), self.now()
        self._told: tuple[Phase, str] | None = None
        reliable = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.status = self.create_publisher(DiagnosticStatus, "vlaser/robot_status", reliable)
        self.refusals = self.create_publisher(String, "vlaser/motion_refused", 10)
        self.joint_states = self.create_publisher(JointState, "joint_states", 20)
        self.diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # Joint states that are already where and as the contract wants them are not repeated to themselves.
        same = {self.resolve_topic_name(link.states_topic) for link in self.links} & {self.resolve_topic_name("joint_states")}
        self.republishes = not same
        sensor = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        for index, link in enumerate(self.links):
            self.create_subscription(JointState, link.states_topic, lambda message, arm=index: self.on_joints(arm, message), sensor)
        self.create_subscription(JointTrajectory, topic, self.on_trajectory, 10)
        self.create_service(Trigger, "~/recover", self.on_recover)
        self.create_timer(1.0 / rate, self.tick)
        self.create_timer(0.1, self.watch)
        self.create_timer(1.0, self.diagnose)
        self.tell()

    def now(self) -> float:
        return self.get_clock().now().nanoseconds * 1e-9

    def goodbye(self) -> None:
        """The last words to the motors: stay. Torque stays on."""
        self.servo.hold()
        self.stop_links(self.now())

    def on_joints(self, arm: int, message: JointState) -> None:
        try:
            values = self.links[arm].names.read(message)
        except InputError as error:
            self.get_logger().error(f"{self.links[arm].states_topic}: {error}", throttle_duration_sec=2.0)
            return
        self.servo.measure(arm, self.now(), values)
        self.meters[arm].tick()
        self._stamps[arm] = to_seconds(message.header.stamp)
        # Several arms are told together, with the older stamp: nothing in the message is older than it says.
        stamp = min(self._stamps)
        if self.republishes and stamp > self._published:
            self._published = stamp
            positions = self.servo.measured.tolist()
            self.joint_states.publish(JointState(header=header(stamp, self.embodiment.base_frame), name=list(self.servo.names), position=positions))

    def on_trajectory(self, message: JointTrajectory) -> None:
        now = self.now()
        try:
            times, positions = read_trajectory(message, self.servo.names, now)
            self.servo.play(times, positions, now)
        except (InputError, RobotFailed) as error:
            self.refused += 1
            self.last_refusal = str(error)
            self.get_logger().error(f"trajectory refused, the arm holds: {error}", throttle_duration_sec=0.5)
            self.servo.hold()
            self.stop_links(now)
            self.refusals.publish(String(data=str(error)))
            return
        if not len(times):
            self.stop_links(now)
            return
        for link, mine in zip(self.links, self.columns, strict=True):
            link.play(times, positions[:, mine])

    def stop_links(self, now: float) -> None:
        """Send the position last commanded; nothing where nothing was ever commanded."""
        if self.servo.commanded is not None:
            for link, mine in zip(self.links, self.columns, strict=True):
                link.hold(self.servo.commanded[mine], now)

    def tick(self) -> None:
        now, jumps, phase = self.now(), self.servo.jumps, self.servo.phase
        commanded = self.servo.tick(now)
        if self.servo.jumps > jumps:
            self.get_logger().error("the clock jumped while moving: the arm holds")
            self.stop_links(now)
        if self.servo.phase is not phase:
            self.get_logger().error(f"robot failed, the arm holds until {self.get_name()}/recover: {self.servo.reason}")
            self.stop_links(now)
            self.tell()
        if commanded is not None and self.servo.phase is Phase.READY:
            for link, mine in zip(self.links, self.columns, strict=True):
                link.tick(commanded[mine], self.servo.measured[mine])
            self.command_meter.tick()

    def watch(self) -> None:
        """Start-up checks and health, a step at a time."""
        now = self.now()
        if self.servo.phase is Phase.CHECKING:
            self.check(now)
        elif self.servo.phase is Phase.READY and self.health_period:
            self.look_after(now)
        self.tell()

    def check(self, now: float) -> None:
        if silent := self.servo.silent(now):
            topics = [link.states_topic for link in self.links if link.arm.name in silent]
            self.wait(f"waiting for joint states on {', '.join(topics)}", now)
            return
        if now - self._checking_since < 1.0:
            return  # long enough to know the rate
        faults = [
            f"joint states of {link.arm.name} come at {meter.rate():.0f} Hz, at least {self.minimum_rate:.0f} are needed: raise update_rate of the robot's driver"
            for link, meter in zip(self.links, self.meters, strict=True)
            if meter.rate() < self.minimum_rate
        ] + self.servo.outside()
        if not self.inquiries:
            self.inquiries = [link.checks() for link in self.links]
        answers = [inquiry.poll(now) for inquiry in self.inquiries]
        if any(answer is None for answer in answers):
            absent = [inquiry.waiting_for for inquiry in self.inquiries if inquiry.waiting_for]
            self.servo.reason = f"waiting for service {', '.join(absent)}" if absent else "asking the robot"
            return
        faults += [f"{link.arm.name}: {fault}" for link, found in zip(self.links, answers, strict=True) for fault in found]
        self.inquiries = []
        self._health_at = now
        if faults:
            self.servo.fail("; ".join(faults))
            self.get_logger().error(f"the robot is not as the contract wants it: {self.servo.reason}. Correct it, then call {self.get_name()}/recover")
        else:
            self.servo.ready()
            self.get_logger().info(f"{self.embodiment.name} is ready: {len(self.links)} arm(s), nothing moves before the first trajectory")

    def wait(self, reason: str, now: float) -> None:
        self._checking_since = now
        self.inquiries = []
        self.servo.reason = reason
        self.get_logger().info(reason, throttle_duration_sec=5.0)

    def look_after(self, now: float) -> None:
        if not self.inquiries:
            if now - self._health_at < self.health_period:
                return
            self._health_at, self.inquiries = now, [link.health() for link in self.links]
        answers = [inquiry.poll(now) for inquiry in self.inquiries]
        if any(answer is None for answer in answers):
            return
        self.inquiries = []
        faults = [f"{link.arm.name}: {fault}" for link, found in zip(self.links, answers, strict=True) for fault in found]
        if faults:
            self.servo.fail("; ".join(faults))
            self.get_logger().error(f"robot failed, the arm holds until {self.get_name()}/recover: {self.servo.reason}")
            self.stop_links(now)

    def on_recover(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self.servo.phase is Phase.READY:
            response.success, response.message = True, "nothing to recover from"
            return response
        self.servo.check()
        self.inquiries, self._checking_since = [], self.now()
        response.success, response.message = True, "the start-up checks run again; see vlaser/robot_status for their outcome"
        return response

    def tell(self) -> None:
        """Publish where the robot stands, when that has changed."""
        state = (self.servo.phase, self.servo.reason)
        if state != self._told:
            self._told = state
            self.status.publish(self.robot_status(phase=self.servo.phase.value))

    def robot_status(self, **values: object) -> DiagnosticStatus:
        words = self.servo.reason or "ready"
        return status(f"{full_name(self)}: robot", LEVELS[self.servo.phase], words, hardware_id=hardware(self, self.embodiment.name), **values)

    def diagnose(self) -> None:
        error = np.nan if self.servo.commanded is None else np.abs(self.servo.commanded - self.servo.measured)[: len(self.embodiment.joint_names)].max()
        values = {f"joint_rate_{link.arm.name}_hz": meter.rate() for link, meter in zip(self.links, self.meters, strict=True)}
        robot = self.robot_status(
            phase=self.servo.phase.value,
            moving=self.servo.moving,
            following_error_rad=float(error),
            command_rate_hz=self.command_meter.rate(),
            trajectories_refused=self.refused,
            last_refusal=self.last_refusal,
            clock_jumps=self.servo.jumps,
            **values,
        )
        self.diagnostics.publish(report(self.get_clock().now().to_msg(), robot))
