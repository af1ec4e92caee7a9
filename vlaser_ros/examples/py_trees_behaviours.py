"""The robot's verbs as py_trees behaviours, and a small tree: plan, then for each step find, execute, and ask.

    pip install py_trees
    vlaser up tabletop &
    python -m vlaser_ros.examples.py_trees_behaviours "put the carrot on the plate"

A tick never waits for the robot: each verb runs in a thread of its own and is RUNNING until it has answered.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import py_trees
from py_trees.common import Access, Status

from vlaser_core.errors import VlaserError
from vlaser_ros.client import VlaserClient

STEP, STEPS = "/vlaser/step", "/vlaser/steps"  # on the blackboard: the step at hand, and all of them


class Verb(py_trees.behaviour.Behaviour):
    """One blocking call of the client. `ask` is made in a thread; `judge` says what its answer means."""

    def __init__(self, name: str, robot: VlaserClient) -> None:
        super().__init__(name)
        self.robot = robot
        self.board = self.attach_blackboard_client(name)
        self._answers: list[Any] = []

    def ask(self) -> Any:
        raise NotImplementedError

    def judge(self, answer: Any) -> Status:
        raise NotImplementedError

    def initialise(self) -> None:
        # A list a run: an answer that comes after the behaviour was interrupted belongs to nobody.
        self._answers = answers = []
        threading.Thread(target=self._call, args=(answers,), name=self.name, daemon=True).start()

    def _call(self, answers: list[Any]) -> None:
        try:
            answers.append(self.ask())
        except VlaserError as error:
            answers.append(error)

    def update(self) -> Status:
        if not self._answers:
            return Status.RUNNING
        answer = self._answers[0]
        if isinstance(answer, VlaserError):
            self.feedback_message = str(answer)
            return Status.FAILURE
        return self.judge(answer)


class Plan(Verb):
    """Ordered steps to a goal, put on the blackboard."""

    def __init__(self, name: str, robot: VlaserClient, goal: str) -> None:
        super().__init__(name, robot)
        self.goal = goal
        self.board.register_key(STEPS, access=Access.WRITE)

    def ask(self) -> Any:
        return self.robot.plan(self.goal)

    def judge(self, answer: Any) -> Status:
        self.board.set(STEPS, list(answer.steps))
        self.feedback_message = f"{len(answer.steps)} steps"
        return Status.SUCCESS


class Find(Verb):
    """SUCCESS when the target of the step at hand is seen, or it names none."""

    def __init__(self, name: str, robot: VlaserClient) -> None:
        super().__init__(name, robot)
        self.board.register_key(STEP, access=Access.READ)

    def ask(self) -> Any:
        target = self.board.get(STEP).target
        return self.robot.ground(target) if target else None

    def judge(self, answer: Any) -> Status:
        seen = answer is None or bool(answer.labels)
        self.feedback_message = "" if seen else f"cannot see the {answer.phrase}"
        return Status.SUCCESS if seen else Status.FAILURE


class Execute(Verb):
    """Execute the step at hand. Interrupted by the tree, it cancels the goal and the arm holds."""

    def __init__(self, name: str, robot: VlaserClient, **options) -> None:
        super().__init__(name, robot)
        self.options = options
        self.board.register_key(STEP, access=Access.READ)
        self._stop = threading.Event()

    def initialise(self) -> None:
        self._stop = threading.Event()
        super().initialise()

    def ask(self) -> Any:
        stop, told = self._stop, self._tell
        self.robot.send(self.board.get(STEP).text, feedback=told, **self.options)
        while not self.robot.is_done():
            # Here and not in `terminate`: a tick must not wait, and the goal may not have been accepted yet.
            if stop.wait(0.05):
                self.robot.cancel()
                break
        return self.robot.result(None)

    def _tell(self, feedback: Any) -> None:
        self.feedback_message = feedback.status

    def judge(self, answer: Any) -> Status:
        if answer.error_code:
            self.feedback_message = f"{answer.error_msg} (code {answer.error_code})"
        return Status.FAILURE if answer.error_code else Status.SUCCESS

    def terminate(self, new_status: Status) -> None:
        if new_status == Status.INVALID:
            self._stop.set()


class IsDone(Verb):
    """SUCCESS when the model says that the step at hand is done."""

    def __init__(self, name: str, robot: VlaserClient) -> None:
        super().__init__(name, robot)
        self.board.register_key(STEP, access=Access.READ)

    def ask(self) -> Any:
        return self.robot.ask(f"Is the task done: {self.board.get(STEP).text}?")

    def judge(self, answer: str) -> Status:
        self.feedback_message = answer
        return Status.SUCCESS if answer.strip().lower().startswith("yes") else Status.FAILURE


class ForEachStep(py_trees.decorators.Decorator):
    """Runs its child once for every step on the blackboard, in order; fails with the first that fails."""

    def __init__(self, name: str, child: py_trees.behaviour.Behaviour) -> None:
        super().__init__(name=name, child=child)
        self.board = self.attach_blackboard_client(name)
        self.board.register_key(STEPS, access=Access.READ)
        self.board.register_key(STEP, access=Access.WRITE)
        self._left: list[Any] = []

    def initialise(self) -> None:
        self._left = list(self.board.get(STEPS))
        if self._left:
            self.board.set(STEP, self._left.pop(0))

    def tick(self):
        if self.status != Status.RUNNING and not self._steps():
            self.initialise()
            self.stop(Status.SUCCESS)  # a plan without steps: the goal is reached
            yield self
            return
        yield from super().tick()

    def _steps(self) -> list[Any]:
        return self.board.get(STEPS)

    def update(self) -> Status:
        if self.decorated.status != Status.SUCCESS or not self._left:
            return self.decorated.status
        self.board.set(STEP, self._left.pop(0))
        return Status.RUNNING  # the child has ended: the next tick begins it anew, with the next step


def tree(robot: VlaserClient, goal: str, *, attempts: int = 2, **options) -> py_trees.behaviour.Behaviour:
    """Plan `goal`; for each step: find its target, then up to `attempts` times execute it and ask. options: of Execute's goal."""
    attempt = py_trees.composites.Sequence("attempt", memory=True, children=[Execute("execute", robot, **options), IsDone("is it done", robot)])
    retry = py_trees.decorators.Retry("attempts", child=attempt, num_failures=attempts)
    step = py_trees.composites.Sequence("step", memory=True, children=[Find("find", robot), retry])
    return py_trees.composites.Sequence(goal, memory=True, children=[Plan("plan", robot, goal), ForEachStep("each step", step)])


def run(root: py_trees.behaviour.Behaviour, *, period: float = 0.1, show: Callable[[str], None] = print) -> Status:
    """Tick until the tree has ended; an interrupt ends the running goal first."""
    shown = ""
    try:
        while True:
            root.tick_once()
            picture = py_trees.display.unicode_tree(root, show_status=True)
            if picture != shown:
                show(picture)
                shown = picture
            if root.status != Status.RUNNING:
                return root.status
            time.sleep(period)
    except KeyboardInterrupt:
        root.stop(Status.INVALID)
        time.sleep(1.0)  # the cancel leaves in the behaviour's own thread
        raise


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with VlaserClient(name="py_trees_behaviours") as robot:
            robot.wait_ready(30.0)
            status = run(tree(robot, sys.argv[1], max_chunks=20, stop_when_done=True))
    except VlaserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0 if status == Status.SUCCESS else 1


if __name__ == "__main__":
    sys.exit(main())
