"""The robot's topics, subscribed with a quality of service that fits cameras, and put into Views.

Images: keep the last 2, reliable where the camera is. A reliable subscription gets a large image complete also where
the sender lacks the Fast DDS profile (best effort lost 298 of 300 pictures of 640×480 there), and its retransmissions
cannot pile up behind so short a queue. A camera driver that offers best effort only (the sensor-data profile) would
never match it: with image_reliability `auto` the subscription is made anew to fit. Joint states: best effort, which
matches every publisher, and a late one is worth nothing. Both can be overridden, for one topic, by the standard
parameters `qos_overrides.<topic>.subscription.{reliability,depth,history}`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rclpy.event_handler import QoSRequestedIncompatibleQoSInfo, SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import InvalidQosOverridesError, QoSOverridingOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image, JointState

from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import ConfigError, InputError
from vlaser_ros.input_thread import InputThread
from vlaser_ros.joint_history import JointHistory, StatedProprio
from vlaser_ros.serialized_images import read_compressed, read_image
from vlaser_ros.server.clock import RobotClock
from vlaser_ros.server.settings import AUTO, BEST_EFFORT, Setup
from vlaser_ros.server.views import Views

IMAGE_DEPTH, JOINTS_DEPTH = 2, 20
DISCOVERY = 5.0  # s after being configured in which a camera may not be known yet, on a computer that is busy


class Inputs:
    """Subscriptions to every camera and to the joints of a robot; `views` is what they feed.

    Raises ConfigError for topics that do not fit the robot's cameras and for unusable names or overrides.
    """

    def __init__(self, node: Node, robot: Embodiment, setup: Setup, clock: RobotClock, max_age: float) -> None:
        self._node, self._setup, self._clock = node, setup, clock
        self._thread = InputThread(node, node.failed.set)
        self._subscriptions: dict[str, Subscription] = {}
        topics = [topic for topic in setup.image_topics if topic] or [f"camera/{camera.name}/image_raw" for camera in robot.cameras]
        if len(topics) != len(robot.cameras):
            raise ConfigError(f"image_topics has {len(topics)} entries {topics}, embodiment {robot.name!r} has cameras {[camera.name for camera in robot.cameras]}")
        names = [self._resolve(topic) for topic in topics]
        history, joints = (StatedProprio, setup.proprio_topic) if setup.proprio_topic else (JointHistory, "joint_states")
        self.views = Views(
            robot,
            names,
            history(robot, tolerance=setup.joint_states_tolerance),
            clock.now,
            max_age=max_age,
            sync_tolerance=setup.sync_tolerance,
            joints_topic=self._resolve(joints),
            clock=clock.elapsed,
            discovery=DISCOVERY,
        )
        try:
            # The joints first: of what has arrived together, a picture is then taken with its joints already there.
            qos = QoSProfile(depth=JOINTS_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
            self._subscribe("", JointState, joints, self._on_joints, qos, SubscriptionEventCallbacks(use_default_callbacks=False))
            for camera, topic in zip(robot.cameras, topics, strict=True):
                best_effort = setup.image_reliability == BEST_EFFORT
                self._look(camera.name, topic, ReliabilityPolicy.BEST_EFFORT if best_effort else ReliabilityPolicy.RELIABLE)
        except BaseException:
            self.close()
            raise
        self._thread.start()

    def close(self) -> None:
        """Listen no longer."""
        self._thread.close()
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()

    def _resolve(self, topic: str) -> str:
        try:
            return self._node.resolve_topic_name(topic)
        except Exception as error:  # rclpy raises several types for an invalid name
            raise ConfigError(f"{topic!r} is no topic name: {error}") from error

    def _look(self, camera: str, topic: str, reliability: ReliabilityPolicy) -> None:
        kind, read = (CompressedImage, read_compressed) if topic.endswith("/compressed") else (Image, read_image)
        events = SubscriptionEventCallbacks(incompatible_qos=partial(self._on_incompatible, camera, topic), use_default_callbacks=False)
        self._subscribe(camera, kind, topic, partial(self._on_image, camera, read), QoSProfile(depth=IMAGE_DEPTH, reliability=reliability), events)

    def _subscribe(self, key: str, kind: type, topic: str, callback, qos: QoSProfile, events: SubscriptionEventCallbacks) -> None:
        try:
            subscription = self._node.create_subscription(
                kind,
                topic,
                callback,
                qos,
                callback_group=self._thread.group,
                event_callbacks=events,
                raw=kind is not JointState,
                # A second subscription to a topic would find the first one's parameters, with the reliability that did not fit.
                qos_overriding_options=None if key in self._subscriptions else QoSOverridingOptions.with_default_policies(),
            )
        except (RuntimeError, InvalidQosOverridesError) as error:
            raise ConfigError(f"cannot subscribe {self._resolve(topic)!r} as its qos_overrides say: {error}") from error
        self._subscriptions[key] = subscription
        self._thread.add(subscription)

    def _on_incompatible(self, camera: str, topic: str, event: QoSRequestedIncompatibleQoSInfo) -> None:
        name = self.views.topics[camera]
        overridden = any(parameter.startswith(f"qos_overrides.{name}.subscription.") for parameter in self._node._parameter_overrides)
        subscription = self._subscriptions.get(camera)
        reliable = subscription is not None and subscription.qos_profile.reliability == ReliabilityPolicy.RELIABLE
        if event.last_policy_kind == QoSPolicyKind.RELIABILITY and self._setup.image_reliability == AUTO and reliable and not overridden:
            self._node.get_logger().info(f"{name} is offered best effort: subscribing so (camera {camera!r})")
            self._look(camera, topic, ReliabilityPolicy.BEST_EFFORT)
            self._thread.remove(subscription)
            self._node.destroy_subscription(subscription)
            return
        policy = QoSPolicyKind(event.last_policy_kind).name.lower()
        hint = f"its publisher offers another {policy} than is asked for: set image_reliability or its qos_overrides"
        self.views.hints[camera] = hint
        self._node.get_logger().warning(f"{name} (camera {camera!r}): {hint}")

    def _on_image(self, camera: str, read: Callable, content: bytes) -> None:
        try:
            self.views.on_image(camera, read(content))
        except InputError as error:
            self._node.get_logger().warning(f"{self.views.topics[camera]} (camera {camera!r}): {error}", throttle_duration_sec=5.0)

    def _on_joints(self, message: JointState) -> None:
        self._clock.watch()
        self.views.on_joints(message)

