"""The sim driver's node: ROS at one end, a WorldLoop at the other."""

from __future__ import annotations

import math
import threading
from concurrent.futures import TimeoutError as FutureTimeout

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory
from vlaser_msgs.msg import WorldState
from vlaser_msgs.srv import ResetWorld

from vlaser_core.embodiment import Camera, load_embodiment
from vlaser_core.errors import ConfigError, InputError
from vlaser_ros.diagnostics import ERROR, OK, WARN, Meter, full_name, hardware, report, status
from vlaser_ros.drivers.trajectory_message import read_trajectory
from vlaser_ros.drivers.world_loop import WorldLoop, WorldStatus
from vlaser_ros.drivers.worlds import make_world
from vlaser_ros.images import to_message
from vlaser_ros.messages import header, to_seconds, to_time
from vlaser_ros.parameters import declare
from vlaser_ros.publishing import publish_or_tell

RESET_TIMEOUT = 20.0  # s; a scene settles in well under one


class SimDriver(Node):
    """Camera images, camera_info and joint states out; joint trajectories in; ~/reset and ~/state."""

    def __init__(self) -> None:
        super().__init__("sim_driver")
        self.embodiment = load_embodiment(declare(self, "embodiment", "widowx", "contract name or path of a .yaml"))
        world = declare(self, "world", "tabletop", "simulated world: tabletop, or stand_in (no physics)")
        task = declare(self, "task", "", "task of the first episode; empty: the world's first")
        seed = declare(self, "seed", 0, "seed of the first episode", low=0)
        self.camera_rate = declare(self, "camera_rate", 10.0, "Hz", low=0.5, high=50.0)
        image_topics = declare(self, "image_topics", [""], "one a camera, in the contract's order; empty: camera/<name>/image_raw")
        trajectory_topic = declare(self, "trajectory_topic", "arm_controller/joint_trajectory", "joint trajectory topic to obey")
        cameras = self.embodiment.cameras
        topics = [topic for topic in image_topics if topic] or [f"camera/{camera.name}/image_raw" for camera in cameras]
        if len(topics) != len(cameras):
            raise ConfigError(f"image_topics has {len(topics)} entries {topics}, embodiment {self.embodiment.name!r} has {len(cameras)} cameras")
        self.joint_names = (*self.embodiment.joint_names, *(arm.gripper.joint for arm in self.embodiment.arms))
        self.failed = threading.Event()
        self.last_status: WorldStatus | None = None
        self.refused = 0
        self.image_meter, self.joint_meter = Meter(), Meter()
        self._previous: tuple[float, np.ndarray] | None = None
        reliable = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
        self.images = {camera.name: self.create_publisher(Image, topic, reliable) for camera, topic in zip(cameras, topics, strict=True)}
        infos = [f"{topic.rsplit('/', 1)[0]}/camera_info" for topic in topics]
        self.infos = {camera.name: self.create_publisher(CameraInfo, topic, reliable) for camera, topic in zip(cameras, infos, strict=True)}
        self.joint_states = self.create_publisher(JointState, "joint_states", 20)
        self.refusals = self.create_publisher(String, "vlaser/motion_refused", 10)
        self.states = self.create_publisher(WorldState, "~/state", 1)
        self.diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.loop = WorldLoop(lambda: make_world(world, self.embodiment), self, self.now, task=task, seed=seed, camera_rate=self.camera_rate)
        self.create_subscription(JointTrajectory, trajectory_topic, self.on_trajectory, 10)
        self.create_service(ResetWorld, "~/reset", self.on_reset, callback_group=MutuallyExclusiveCallbackGroup())
        self.create_timer(1.0, self.diagnose)

    def begin(self) -> None:
        self.loop.start()

    def goodbye(self) -> None:
        self.loop.stop()
        self.loop.join(timeout=1.0)

    def now(self) -> float:
        return self.get_clock().now().nanoseconds * 1e-9

    def on_trajectory(self, message: JointTrajectory) -> None:
        try:
            stamp = to_seconds(message.header.stamp) or self.now()
            if not self.loop.play(*read_trajectory(message, self.joint_names, self.now()), stamp):
                raise InputError("every point of the trajectory is past")
        except InputError as error:
            self.refused += 1
            self.get_logger().error(f"trajectory refused: {error}")
            publish_or_tell(self, self.refusals, String(data=str(error)))

    def on_reset(self, request: ResetWorld.Request, response: ResetWorld.Response) -> ResetWorld.Response:
        if request.seed < 0:
            response.success, response.message = False, f"seed is {request.seed}, expected 0 or more"
            return response
        try:
            instruction, stamp = self.loop.reset(request.task, request.seed).result(timeout=RESET_TIMEOUT)
        except FutureTimeout:
            response.success, response.message = False, f"the world did not reset within {RESET_TIMEOUT} s"
        except Exception as error:  # what a simulator raises is the caller's to read; the loop decides whether it goes on
            response.success, response.message = False, f"{type(error).__name__}: {error}"
        else:
            response.success, response.instruction, response.stamp = True, instruction, to_time(stamp)
        return response

    def on_joints(self, stamp: float, joints: np.ndarray, openness: np.ndarray) -> None:
        fingers = [arm.gripper.position(float(value)) for arm, value in zip(self.embodiment.arms, openness, strict=True)]
        positions = np.concatenate([joints, fingers])
        message = JointState(header=header(stamp, self.embodiment.base_frame), name=list(self.joint_names), position=positions.tolist())
        if self._previous is not None and stamp > self._previous[0]:
            message.velocity = ((positions - self._previous[1]) / (stamp - self._previous[0])).tolist()
        self._previous = (stamp, positions)
        if publish_or_tell(self, self.joint_states, message):
            self.joint_meter.tick()

    def on_images(self, stamp: float, images: dict[str, np.ndarray]) -> None:
        for camera in self.embodiment.cameras:
            top = header(stamp, camera.frame_id)
            published = publish_or_tell(self, self.images[camera.name], to_message(images[camera.name], header=top))
            if published and camera.fov_y_deg is not None:
                height, width = images[camera.name].shape[:2]
                publish_or_tell(self, self.infos[camera.name], camera_info(camera, width, height, top))
        self.image_meter.tick()

    def on_status(self, stamp: float, state: WorldStatus) -> None:
        self.last_status = state
        message = WorldState(
            header=header(stamp, self.embodiment.base_frame),
            task=state.task,
            seed=state.seed,
            instruction=state.instruction,
            success=state.success,
            steps=state.steps,
            max_steps=state.max_steps,
            sim_time=float(state.time),
            slip=float(state.slip),
            renderer=state.renderer,
        )
        publish_or_tell(self, self.states, message)

    def on_failure(self, error: Exception) -> None:
        self.get_logger().fatal(f"the world failed: {type(error).__name__}: {error}")
        self.failed.set()

    def diagnose(self) -> None:
        state = self.last_status
        lagging = state is not None and state.slip > 0
        world = status(
            f"{full_name(self)}: world",
            ERROR if self.failed.is_set() else WARN if state is None or lagging else OK,
            "loading" if state is None else "slower than real time" if lagging else "running",
            hardware_id=hardware(self, self.embodiment.name),
            task=state.task if state else "",
            renderer=state.renderer if state else "",
            slip_s=float(state.slip) if state else 0.0,
            image_rate_hz=self.image_meter.rate(),
            joint_rate_hz=self.joint_meter.rate(),
            trajectories_refused=self.refused,
        )
        self.diagnostics.publish(report(self.get_clock().now().to_msg(), world))


def camera_info(camera: Camera, width: int, height: int, top) -> CameraInfo:
    """Pinhole calibration (pixels) of a camera without distortion, from its vertical field of view."""
    focal = height / 2 / math.tan(math.radians(camera.fov_y_deg) / 2)
    message = CameraInfo(header=top, width=width, height=height, distortion_model="plumb_bob", d=[0.0] * 5)
    message.k = [focal, 0.0, width / 2, 0.0, focal, height / 2, 0.0, 0.0, 1.0]
    message.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    message.p = [focal, 0.0, width / 2, 0.0, 0.0, focal, height / 2, 0.0, 0.0, 0.0, 1.0, 0.0]
    return message
