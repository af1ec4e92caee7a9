"""A robot's own driver, stood in for: it speaks the real messages and moves when it is told to."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from rclpy.node import Node
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

DOMAIN = 104


class Room:
    """Nodes in one process and one thread. until: spins until a condition holds; nothing here waits for a given time."""

    def __init__(self) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context, domain_id=DOMAIN)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.nodes: list = []

    def add(self, node):
        self.nodes.append(node)
        self.executor.add_node(node)
        return node

    def until(self, condition: Callable[[], object], patience: float = 30.0) -> bool:
        deadline = time.monotonic() + patience
        while not condition():
            if time.monotonic() > deadline:
                return False
            self.executor.spin_once(timeout_sec=0.05)
        return True

    def wait(self, condition: Callable[[], object], patience: float = 60.0) -> bool:
        """The same where another thread spins."""
        deadline = time.monotonic() + patience
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def spin(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end)

    def close(self) -> None:
        for node in self.nodes:
            self.executor.remove_node(node)
            node.destroy_node()
        self.executor.shutdown()
        self.context.try_shutdown()


@pytest.fixture
def room():
    made = Room()
    yield made
    made.close()


class Motors:
    """Joints that go where they are sent at once. names: as the robot calls them, the finger last."""

    def __init__(self, names: list[str], position: np.ndarray) -> None:
        self.names, self.position, self.stuck = names, np.array(position, dtype=float), False
        self.commands: list[list[float]] = []

    def go(self, values: dict[str, float]) -> None:
        self.commands.append(list(values.values()))
        for name, value in values.items():
            if not self.stuck:
                self.position[self.names.index(name)] = value


class Robot(Node):
    """What all stand-ins have: joint states at 100 Hz, from the names given to it."""

    def __init__(self, context, name: str, motors) -> None:
        super().__init__(f"{name}_robot", namespace=name, context=context)
        self.motors, self.silent = motors, False
        self.states = self.create_publisher(JointState, "joint_states", 10)
        self.create_timer(0.01, self.tell)

    def tell(self) -> None:
        if not self.silent:
            message = JointState(name=list(self.motors.names), position=self.motors.position.tolist())
            message.header.stamp = self.get_clock().now().to_msg()
            self.states.publish(message)


class XsSdk(Robot):
    """An xs_sdk node: a joint group, a gripper motor, answers about both. Its joint states name the motor and both fingers."""

    def __init__(self, context, name: str, motors, *, mode: str, registers: dict[str, list[int]] | None = None) -> None:
        from interbotix_xs_msgs.msg import JointGroupCommand, JointSingleCommand
        from interbotix_xs_msgs.srv import RegisterValues, RobotInfo

        super().__init__(context, name, motors)
        self.mode, self.registers, self.singles, self.written = mode, registers or {}, [], []
        self.create_subscription(JointGroupCommand, "commands/joint_group", self.on_group, 10)
        self.create_subscription(JointSingleCommand, "commands/joint_single", lambda message: self.singles.append((message.name, message.cmd)), 10)
        self.create_service(RobotInfo, "get_robot_info", self.on_info)
        self.create_service(RegisterValues, "get_motor_registers", self.on_registers)
        self.create_service(RegisterValues, "set_motor_registers", lambda request, response: self.written.append(request) or response)

    def on_group(self, message) -> None:
        assert message.name == "arm"
        self.motors.go(dict(zip(self.motors.names[:6], message.cmd, strict=True)))

    def on_info(self, request, response):
        response.mode = "position" if request.cmd_type == "group" else self.mode
        response.profile_type = "velocity"
        response.joint_names = self.motors.names[:6] if request.cmd_type == "group" else ["left_finger"]
        return response

    def on_registers(self, request, response):
        count = 6 if request.cmd_type == "group" else 1
        response.values = self.registers.get(request.reg, [1 if request.reg == "Torque_Enable" else 0] * 6)[:count]
        return response


class Ros2Control(Robot):
    """Two joint trajectory controllers and a joint state broadcaster, as far as this driver meets them."""

    def __init__(self, context, name: str, motors) -> None:
        super().__init__(context, name, motors)
        self.received: dict[str, list[JointTrajectory]] = {"arm": [], "gripper": []}
        for controller, kept in self.received.items():
            self.create_subscription(JointTrajectory, f"{controller}_controller/joint_trajectory", lambda message, kept=kept: self.on_motion(message, kept), 10)

    def on_motion(self, message: JointTrajectory, kept: list[JointTrajectory]) -> None:
        kept.append(message)
        self.motors.go(dict(zip(message.joint_names, message.points[-1].positions, strict=True)))


@pytest.fixture
def standins() -> SimpleNamespace:
    """The stand-ins by name: pytest gives the helpers of a conftest.py no name to import them by."""
    return SimpleNamespace(Motors=Motors, XsSdk=XsSdk, Ros2Control=Ros2Control, domain=DOMAIN)
