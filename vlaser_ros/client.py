"""The robot from a program: one class, blocking verbs.

    with VlaserClient() as robot:
        robot.wait_ready(30)
        print(robot.ground("carrot").boxes_px())
        result = robot.execute("put the carrot on the plate", max_chunks=15)

From inside a node that you spin yourself, in another thread than the one that calls: `VlaserClient(node=self)`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
from action_msgs.msg import GoalStatus
from rcl_interfaces.srv import GetParameters
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from vlaser_msgs.action import Execute
from vlaser_msgs.msg import WorldState
from vlaser_msgs.srv import Ask, Ground, Plan, Predict, ResetWorld

from vlaser_core.reasoning.types import Grounding
from vlaser_core.types import ActionChunk
from vlaser_ros.client_link import DISCOVERY, Link, NotReady, Refused
from vlaser_ros.images import to_message
from vlaser_ros.messages import core_chunk, core_grounding

__all__ = ["NotReady", "Refused", "VlaserClient"]

STATUS = "vlaser/execute/_action/status"
ANSWER = 1.0  # s after which a node is asked again whether it answers
SERVICES = {
    "predict": (Predict, "vlaser/predict"),
    "ground": (Ground, "vlaser/ground"),
    "plan": (Plan, "vlaser/plan"),
    "ask": (Ask, "vlaser/ask"),
    "estop": (Trigger, "vlaser/estop"),
    "reset": (Trigger, "vlaser/reset"),
    "reset_world": (ResetWorld, "sim_driver/reset"),
}


class VlaserClient:
    """Blocking calls to one robot. timeout: s per service call.

    By itself it has a ROS context and a thread of its own; domain_id: None takes ROS_DOMAIN_ID; namespace: of the robot's
    nodes. With `node` it uses that node, which must be spun by another thread than the caller's (a MultiThreadedExecutor,
    or one in the background): a callback of a single-threaded executor cannot wait for another.

    Verbs raise NotReady when nobody answers and Refused with the server's code and text when it says no.
    """

    def __init__(
        self, *, domain_id: int | None = None, namespace: str = "", timeout: float = 30.0, name: str = "vlaser_client", node: Node | None = None
    ) -> None:
        self.timeout = timeout
        self._link = Link(node, domain_id=domain_id, namespace=namespace, name=name)
        self.node = self._link.node
        self._services = {verb: self._link.service(kind, topic) for verb, (kind, topic) in SERVICES.items()}
        self._execute = self._link.action(Execute, "vlaser/execute")
        # Made last: a node gets to know a client's parts in their order, so who answers these answers all of them.
        self._probes = {node: self._link.service(GetParameters, f"{node}/get_parameters") for node in ("vlaser_server", "chunk_controller", "sim_driver")}
        self._goal = self._outcome = None
        self._servers: set[str] = set()
        self._told: Execute.Feedback | None = None
        self._state: WorldState | None = None
        self._changed = threading.Condition()
        self._link.listen(WorldState, "sim_driver/state", self._on_state, 1)
        self._link.start()

    def __enter__(self) -> VlaserClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect. A goal that runs goes on: cancel it first if it should not."""
        self._link.close()

    def wait_ready(self, timeout: float, *, sim: bool = False, controller: bool = True, poll: Callable[[], None] = lambda: None) -> None:
        """Wait for the server, the controller, and (sim) the simulator with its first state. poll is called meanwhile and may raise.

        Each has answered once when this returns: a service that is there may not know its client yet, and what it then answers is lost, a
        goal's acceptance too. A node that was given another name is not asked,
        and none is while nobody spins the client's node.
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
                break
            poll()
            if time.monotonic() > deadline:
                raise NotReady(f"not there after {timeout:.0f} s: {', '.join(missing)}")
            time.sleep(0.05)
        if not self._link.spun:
            return
        for node, asked in (("vlaser_server", True), ("chunk_controller", controller), ("sim_driver", sim)):
            while asked and self._probes[node].service_is_ready() and not self._link.answers(self._probes[node], GetParameters.Request(), ANSWER):
                poll()
                if time.monotonic() > deadline:
                    raise NotReady(f"{node} is there and did not answer within {timeout:.0f} s")

    def _call(self, verb: str, request):
        return self._link.call(self._services[verb], request, self.timeout)

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
        if not self._execute.wait_for_server(timeout_sec=min(self.timeout, DISCOVERY)):
            raise NotReady("action 'vlaser/execute' is not there; does vlaser_server run, and has it been activated?")
        goal = Execute.Goal(instruction=instruction, **{"seed": -1, **options})
        self._told = None

        def listen(message) -> None:
            self._told = message.feedback
            if feedback is not None:
                feedback(message.feedback)

        self._goal = self._link.wait(self._execute.send_goal_async(goal, feedback_callback=listen), self.timeout, "action 'vlaser/execute'")
        if not self._goal.accepted:
            raise NotReady("the goal was rejected")
        self._servers = self._link.publishers(STATUS)
        # Asked for now, not in `result`: a server that is stopped answers whom it knows, and is gone after that.
        self._outcome = self._goal.get_result_async()

    def result(self, timeout: float | None) -> Execute.Result:
        """The last goal's result; None waits for ever, but notices a server that disappears (NotReady)."""
        if self._outcome is None:
            raise NotReady("no goal was sent")
        future, done = self._outcome, threading.Event()
        future.add_done_callback(lambda _: done.set())
        deadline = None if timeout is None else time.monotonic() + timeout
        while not done.wait(0.2):
            if not self._execute.server_is_ready():
                # The result may have been sent as the last thing the server did.
                if done.wait(0.5):
                    break
                raise NotReady("vlaser_server went away while the goal was running; the controller holds the arm")
            if self._link.publishers(STATUS) - self._servers:
                # One that was killed counts as there until its lease with the middleware ends; the new one does not know the goal.
                raise NotReady("vlaser_server was started again while the goal was running; the controller holds the arm")
            if deadline is not None and time.monotonic() > deadline:
                raise NotReady(f"the goal did not end within {timeout:.1f} s")
        answer = future.result()
        if answer.status == GoalStatus.STATUS_UNKNOWN:
            raise NotReady("the server does not know the goal; was it restarted?")
        return answer.result

    def is_done(self) -> bool:
        """Whether the last goal has ended, so that `result` answers at once. True without any goal."""
        return self._outcome is None or self._outcome.done()

    def feedback(self) -> Execute.Feedback | None:
        """The newest feedback of the last goal; None before its first chunk was judged."""
        return self._told

    def cancel(self) -> bool:
        """Ask to end the last goal; True when the server agreed. The result still comes through `result`."""
        if self._goal is None:
            return False
        return bool(self._link.wait(self._goal.cancel_goal_async(), self.timeout, "cancelling").goals_canceling)

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
