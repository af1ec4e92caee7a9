"""How a client is connected: by a node and thread of its own, or through a node that somebody else spins."""

from __future__ import annotations

import threading

from rclpy.action import ActionClient
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from vlaser_core.errors import InputError, VlaserError
from vlaser_ros.faults import Fault


DISCOVERY = 5.0  # s for a service or action that runs to become known, on a computer that is busy


class NotReady(VlaserError):
    """A service or the action is not there, or did not answer in time."""


class Refused(Fault):
    """The server answered with an error; `code` is a ResultCode constant."""


class Link:
    """A node whose callbacks run in another thread than the caller's, and waiting for what they bring.

    Without `node`: an own ROS context, node and thread. With it: that node's executor has to run, in another thread than
    the one that waits here; from a callback of a single-threaded executor nothing can be waited for.
    """

    def __init__(self, node: Node | None, *, domain_id: int | None, namespace: str, name: str) -> None:
        import rclpy

        if node is not None and (domain_id is not None or namespace):
            raise InputError("a client on your own node is in that node's domain and namespace; give neither domain_id nor namespace")
        self._own = node is None
        self.group = ReentrantCallbackGroup()
        self._entities: list[tuple] = []
        if node is not None:
            self.node = node
            return
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain_id, signal_handler_options=SignalHandlerOptions.NO)
        self.node = Node(name, namespace=namespace, context=self._context, use_global_arguments=False)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, name=name, daemon=True)

    def start(self) -> None:
        """Let callbacks run, once every entity has been made."""
        if self._own:
            self._thread.start()

    def close(self) -> None:
        """Take down what was made, and nothing of somebody else's node."""
        if self._own:
            self._executor.shutdown(timeout_sec=1.0)
            self._thread.join(timeout=2.0)
        for destroy, entity in self._entities:
            destroy(entity)
        self._entities.clear()
        if self._own:
            self.node.destroy_node()
            self._context.try_shutdown()

    def service(self, kind: type, name: str):
        """A service client."""
        made = self.node.create_client(kind, name, callback_group=self.group)
        self._entities.append((self.node.destroy_client, made))
        return made

    def action(self, kind: type, name: str) -> ActionClient:
        made = ActionClient(self.node, kind, name, callback_group=self.group)
        self._entities.append((ActionClient.destroy, made))
        return made

    def listen(self, kind: type, topic: str, callback, depth: int):
        made = self.node.create_subscription(kind, topic, callback, depth, callback_group=self.group)
        self._entities.append((self.node.destroy_subscription, made))
        return made

    def publishers(self, topic: str) -> set[str]:
        """Who publishes a topic, as far as the middleware knows: a name for each, never used again."""
        return {bytes(info.endpoint_gid).hex() for info in self.node.get_publishers_info_by_topic(self.node.resolve_topic_name(topic))}

    @property
    def spun(self) -> bool:
        """Whether answers can arrive."""
        return self._own or self.node.executor is not None

    def wait(self, future, timeout: float, what: str):
        """The future's result. Raises NotReady after `timeout` s."""
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        if not done.wait(timeout):
            future.cancel()
            spun = "" if self.spun else "; no executor spins this client's node"
            raise NotReady(f"{what} did not answer within {timeout:.1f} s{spun}")
        return future.result()

    def call(self, service, request, timeout: float):
        """A service's answer. Raises NotReady, or Refused when it says no."""
        if not service.service_is_ready() and not service.wait_for_service(timeout_sec=min(timeout, DISCOVERY)):
            raise NotReady(f"service {service.srv_name!r} is not there; does its node run, and is it active?")
        response = self._exchange(service, request, timeout)
        if not response.success:
            message = getattr(response, "error_msg", "") or getattr(response, "message", "")
            raise Refused(getattr(response, "error_code", 0), message)
        return response

    def answers(self, service, request, timeout: float) -> bool:
        """Whether a service answers within `timeout` s, whatever it says."""
        try:
            self._exchange(service, request, timeout)
        except NotReady:
            return False
        return True

    def _exchange(self, service, request, timeout: float):
        future = service.call_async(request)
        try:
            return self.wait(future, timeout, f"service {service.srv_name!r}")
        except NotReady:
            service.remove_pending_request(future)
            raise

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return
