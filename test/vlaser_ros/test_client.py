"""The client inside somebody's node, without a robot, and with one that says no."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

import rclpy  # noqa: E402
from rcl_interfaces.srv import GetParameters  # noqa: E402
from rclpy.action import ActionServer  # noqa: E402
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402
from vlaser_msgs.action import Execute  # noqa: E402
from vlaser_msgs.msg import ResultCode  # noqa: E402

from vlaser_core.errors import InputError  # noqa: E402
from vlaser_ros import client  # noqa: E402
from vlaser_ros.client import SERVICES, NotReady, Refused, VlaserClient  # noqa: E402
from vlaser_ros.domains import free_domain  # noqa: E402

from .server.conftest import PATIENCE, serving, until  # noqa: E402, F401

pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def site(serving):  # noqa: F811
    with serving() as made:
        yield made


@pytest.fixture
def planner(site):
    """A task planner's node: a service whose callback uses the robot while the node's other callbacks go on."""
    context = Context()
    rclpy.init(context=context, domain_id=site.domain, signal_handler_options=SignalHandlerOptions.NO)
    node = Node("planner", context=context)
    robot = VlaserClient(node=node, timeout=PATIENCE)
    executor = MultiThreadedExecutor(num_threads=4, context=context)

    def tidy(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        result = robot.execute("tidy up", max_chunks=2)
        response.success, response.message = result.error_code == ResultCode.NONE, robot.ask("what?")
        return response

    node.create_service(Trigger, "tidy", tidy, callback_group=MutuallyExclusiveCallbackGroup())
    executor.add_node(node)

    def spin() -> None:
        try:
            executor.spin()
        except ExternalShutdownException:
            return

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    robot.wait_ready(PATIENCE, controller=False)
    yield node, robot
    robot.close()
    executor.shutdown(timeout_sec=5.0)
    thread.join(5.0)
    node.destroy_node()
    context.try_shutdown()


def test_a_callback_of_a_planners_node_uses_the_robot(site, planner):
    answer = site.call(Trigger, "tidy", Trigger.Request())
    assert answer.success and answer.message == "You asked: what?"


def test_closing_a_client_leaves_its_node_alone(planner):
    node, robot = planner
    assert robot.node is node
    robot.close()
    assert node.context.ok() and "tidy" in str([service.srv_name for service in node.services])
    assert not list(node.clients)


def test_a_client_on_a_node_that_nobody_spins_says_so(site):
    context = Context()
    rclpy.init(context=context, domain_id=site.domain, signal_handler_options=SignalHandlerOptions.NO)
    node = Node("still", context=context)
    robot = VlaserClient(node=node, timeout=0.3)
    try:
        robot.wait_ready(PATIENCE, controller=False)
        with pytest.raises(NotReady, match="no executor spins"):
            robot.ask("what?")
    finally:
        robot.close()
        node.destroy_node()
        context.try_shutdown()


def test_a_clients_own_node_has_its_own_domain_and_namespace(site):
    with pytest.raises(InputError, match="neither domain_id nor namespace"):
        VlaserClient(node=site.server, namespace="left")


def test_without_a_robot_what_is_missing_is_named():
    with VlaserClient(domain_id=free_domain(), name="alone", timeout=1.0) as robot:
        with pytest.raises(NotReady, match="predict.*execute"):
            robot.wait_ready(0.2)
        with pytest.raises(NotReady, match="'vlaser/ask'|vlaser/ask"):
            robot.ask("anybody?")
        with pytest.raises(NotReady, match="vlaser/execute"):
            robot.execute("go")
        with pytest.raises(NotReady, match="no goal was sent"):
            robot.result(0.1)
        assert robot.is_done() and robot.feedback() is None and robot.cancel() is False


class Slow(Node):
    """A node with a server's services; the first answers of its parameter service come too late."""

    def __init__(self, context: Context, late: int) -> None:
        super().__init__("vlaser_server", context=context, use_global_arguments=False, start_parameter_services=False)
        self.late, self.asked, self.hurry = late, 0, threading.Event()
        group = ReentrantCallbackGroup()
        for kind, topic in (SERVICES[verb] for verb in ("predict", "ground", "plan", "ask")):
            self.create_service(kind, topic, lambda _, response: response)
        self.create_service(GetParameters, "vlaser_server/get_parameters", self.answer, callback_group=group)
        self.action = ActionServer(self, Execute, "vlaser/execute", lambda handle: Execute.Result())

    def answer(self, _, response):
        self.asked += 1
        if self.asked <= self.late:
            self.hurry.wait(PATIENCE)
        return response


@pytest.fixture
def slow():
    context = Context()
    rclpy.init(context=context, domain_id=free_domain(), signal_handler_options=SignalHandlerOptions.NO)
    node = Slow(context, late=2)
    executor = MultiThreadedExecutor(num_threads=6, context=context)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    yield node
    node.hurry.set()
    executor.shutdown(timeout_sec=5.0)
    thread.join(5.0)
    node.action.destroy()
    node.destroy_node()
    context.try_shutdown()


def test_ready_is_who_has_answered_once(slow, monkeypatch):
    monkeypatch.setattr(client, "ANSWER", 0.3)
    with VlaserClient(domain_id=slow.context.get_domain_id(), timeout=PATIENCE) as robot:
        robot.wait_ready(PATIENCE, controller=False)
    assert slow.asked == 3


def test_who_is_there_and_never_answers_is_named(slow, monkeypatch):
    monkeypatch.setattr(client, "ANSWER", 0.3)
    slow.late = 100
    with VlaserClient(domain_id=slow.context.get_domain_id(), timeout=PATIENCE) as robot:
        with pytest.raises(NotReady, match="vlaser_server is there and did not answer"):
            robot.wait_ready(3.0, controller=False)


def test_a_refusal_carries_its_code(site):
    with pytest.raises(Refused) as refusal:
        site.client.ground(" ")
    assert refusal.value.code == ResultCode.BAD_INSTRUCTION
    with pytest.raises(Refused) as refusal:
        site.client.ground("cup", camera="nowhere")
    assert refusal.value.code == ResultCode.BAD_GOAL


def test_an_interrupt_while_executing_cancels_the_goal(site, monkeypatch):
    def interrupt(timeout):
        until(site.client.feedback, "a first chunk")
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(site.client, "result", interrupt)
    with pytest.raises(KeyboardInterrupt):
        site.client.execute("go")
    assert site.client.result(PATIENCE).error_code == ResultCode.CANCELED
