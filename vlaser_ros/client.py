"""The robot from a program: one class, blocking verbs.

    with VlaserClient() as robot:
        robot.wait_ready(30)
        print(robot.ground("carrot").boxes_px())
        result = robot.execute("put the carrot on the plate", max_chunks=15)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from vlaser_msgs.action import Execute
from vlaser_msgs.msg import WorldState
from vlaser_msgs.srv import Ask, Ground, Plan, Predict, ResetWorld

from vlaser_core.errors import VlaserError
from vlaser_core.reasoning.types import Grounding
from vlaser_core.types import ActionChunk
from vlaser_ros.faults import Fault
from vlaser_ros.images import to_message
from vlaser_ros.messages import core_chunk, core_grounding

__all__ = ["NotReady", "Refused", "VlaserClient"]


class NotReady(VlaserError):
    """A service or the action is not there, or did not answer in time."""


class Refused(Fault):
    """The server answered with an error; `code` is a ResultCode constant."""


class VlaserClient:
    """Blocking calls on its own ROS context and thread. domain_id: None takes ROS_DOMAIN_ID. timeout: s per service call.

    Verbs raise NotReady when nobody answers and Refused with the server's code and text when it says no.
    """

    def __init__(self, *, domain_id: int | None = None, timeout: float = 30.0, name: str = "vlaser_client") -> None:
        import rclpy

        self.timeout = timeout
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain_id, signal_handler_options=SignalHandlerOptions.NO)
        self.node = Node(name, context=self._context)
        self._services = {
            "predict": self.node.create_client(Predict, "vlaser/predict"),
            "ground": self.node.create_client(Ground, "vlaser/ground"),
            "plan": self.node.create_client(Plan, "vlaser/plan"),
            "ask": self.node.create_client(Ask, "vlaser/ask"),
            "estop": self.node.create_client(Trigger, "vlaser/estop"),
            "reset": self.node.create_client(Trigger, "vlaser/reset"),
            "reset_world": self.node.create_client(ResetWorld, "sim_driver/reset"),
        }
        self._execute = ActionClient(self.node, Execute, "vlaser/execute")
        self._goal = self._outcome = None
        self._state: WorldState | None = None
        self._changed = threading.Condition()
        self.node.create_subscription(WorldState, "sim_driver/state", self._on_state, 1)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, name="vlaser_client", daemon=True)
        self._thread.start()

    def __enter__(self) -> VlaserClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._executor.shutdown(timeout_sec=1.0)
        self._thread.join(timeout=2.0)
        self._execute.destroy()
        self.node.destroy_node()
        self._context.try_shutdown()

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return

    def wait_ready(self, timeout: float, *, sim: bool = False, controller: bool = True, poll: Callable[[], None] = lambda: None) -> None:
        """Wait for the server, the controller, and (sim) the simulator with its first state. poll is called meanwhile and may raise.

        Raises NotReady naming what is missing after `timeout` s.
        """
        deadline = time.monotonic() + timeout
        wanted = ["predict", "ground", "plan", "ask", *(["estop", "reset"] if controller else []), *(["reset_world"] if sim else [])]
        while True:
            missing = [name for name in wanted if not self._services[name].service_is_ready()]
            if not self._execute.server_is_ready():
                missing.append("execute")
            if sim and self._state is None:
                missing.append("world state")
            if not missing:
                return
            poll()
            if time.monotonic() > deadline:
                raise NotReady(f"not there after {timeout:.0f} s: {', '.join(missing)}")
            time.sleep(0.05)

    def _wait(self, future, timeout: float, what: str):
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        if not done.wait(timeout):
            raise NotReady(f"{what} did not answer within {timeout:.1f} s")
        return future.result()

    def _call(self, name: str, request):
        service = self._services[name]
        if not service.service_is_ready() and not service.wait_for_service(timeout_sec=2.0):
            raise NotReady(f"service {service.srv_name!r} is not there; does its node run?")
        response = self._wait(service.call_async(request), self.timeout, f"service {service.srv_name!r}")
        if not response.success:
            message = getattr(response, "error_msg", "") or getattr(response, "message", "")
            raise Refused(getattr(response, "error_code", 0), message)
        return response

    def predict(self, instruction: str, *, seed: int | None = None, flow_steps: int = 0) -> ActionChunk:
        """One chunk for the present view; nothing moves."""
        request = Predict.Request(instruction=instruction, seed=-1 if seed is None else seed, flow_steps=flow_steps)
        return core_chunk(self._call("predict", request).chunk)

    def ground(self, phrase: str, image: np.ndarray | None = None, *, camera: str = "") -> Grounding:
        """Where a phrase is, in an RGB uint8 (h, w, 3) picture or the newest of a camera."""
        return core_grounding(self._call("ground", Ground.Request(phrase=phrase, image=_images(image), camera=camera)).grounding)

    def plan(self, goal: str, image: np.ndarray | None = None, *, ground: bool = False, camera: str = "") -> Plan.Response:
        """Ordered steps, as the service returns them (`.steps`, `.text`)."""
        return self._call("plan", Plan.Request(goal=goal, ground=ground, image=_images(image), camera=camera))

    def ask(self, question: str, image: np.ndarray | None = None, *, camera: str = "") -> str:
        """The answer to a question about the picture."""
        return self._call("ask", Ask.Request(question=question, image=_images(image), camera=camera)).answer

    def execute(self, instruction: str, *, feedback: Callable[[Execute.Feedback], None] | None = None, **options) -> Execute.Result:
        """Run the policy and wait for the end. options: the goal's other fields (timeout, max_chunks, executed_steps …).

        Never raises for a failed goal: look at `result.error_code`. KeyboardInterrupt cancels the goal first.
        """
        self.send(instruction, feedback=feedback, **options)
        try:
            return self.result(None)
        except KeyboardInterrupt:
            self.cancel()
            self.result(5.0)
            raise

    def send(self, instruction: str, *, feedback: Callable[[Execute.Feedback], None] | None = None, **options) -> None:
        """Send a goal without waiting for its end; `result` and `cancel` are for the last goal sent."""
        if not self._execute.wait_for_server(timeout_sec=2.0):
            raise NotReady("action 'vlaser/execute' is not there; does vlaser_server run, and is its model loaded?")
        goal = Execute.Goal(instruction=instruction, **{"seed": -1, **options})
        listen = None if feedback is None else (lambda message: feedback(message.feedback))
        self._goal = self._wait(self._execute.send_goal_async(goal, feedback_callback=listen), self.timeout, "action 'vlaser/execute'")
        if not self._goal.accepted:
            raise NotReady("the goal was rejected")
        # Asked for now, not in `result`: a server that is stopped answers whom it knows, and is gone after that.
        self._outcome = self._goal.get_result_async()

    def result(self, timeout: float | None) -> Execute.Result:
        """The last goal's result; None waits for ever, but notices a server that disappears (NotReady)."""
        future, done = self._outcome, threading.Event()
        future.add_done_callback(lambda _: done.set())
        deadline = None if timeout is None else time.monotonic() + timeout
        while not done.wait(0.2):
            if not self._execute.server_is_ready():
                # The result may have been sent as the last thing the server did.
                if done.wait(0.5):
                    break
                raise NotReady("vlaser_server went away while the goal was running; the controller holds the arm")
            if deadline is not None and time.monotonic() > deadline:
                raise NotReady(f"the goal did not end within {timeout:.1f} s")
        answer = future.result()
        if answer.status == GoalStatus.STATUS_UNKNOWN:
            raise NotReady("the server does not know the goal; was it restarted?")
        return answer.result

    def cancel(self) -> bool:
        """Ask to end the last goal; True when the server agreed. The result still comes through `result`."""
        if self._goal is None:
            return False
        return bool(self._wait(self._goal.cancel_goal_async(), self.timeout, "cancelling").goals_canceling)

    def estop(self) -> str:
        """Latch the stop: the arm holds until `reset`."""
        return self._call("estop", Trigger.Request()).message

    def reset(self) -> str:
        """Release the stop."""
        return self._call("reset", Trigger.Request()).message

    def reset_world(self, task: str = "", seed: int = 0) -> str:
        """A fresh episode of the simulated world; returns its instruction."""
        response = self._call("reset_world", ResetWorld.Request(task=task, seed=seed))
        with self._changed:
            # The state on hand is the old scene's.
            self._state = None
        return response.instruction

    def world_state(self, timeout: float = 5.0) -> WorldState:
        """The newest state of the simulated world; after `reset_world`, of the new scene."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._state is not None, timeout):
                raise NotReady(f"no world state within {timeout:.1f} s; does sim_driver run?")
            return self._state

    def _on_state(self, message: WorldState) -> None:
        with self._changed:
            self._state = message
            self._changed.notify_all()


def _images(image: np.ndarray | None) -> list[Image]:
    return [] if image is None else [to_message(image)]
