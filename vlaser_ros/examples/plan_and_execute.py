"""Plan a task, find each step's target, execute the step, ask whether it is done, and try again where it is not.

    vlaser up tabletop &
    python -m vlaser_ros.examples.plan_and_execute "put the carrot on the plate"
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass

from vlaser_msgs.msg import PlanStep

from vlaser_core.errors import VlaserError
from vlaser_ros.client import VlaserClient

PATIENCE = 30.0  # s for the robot's nodes to be there


@dataclass(frozen=True)
class StepReport:
    """How one step went. problem: empty when it was done."""

    step: str
    attempts: int
    chunks: int
    problem: str


def run(robot: VlaserClient, goal: str, *, attempts: int = 2, max_chunks: int = 20, say: Callable[[str], None] = print) -> list[StepReport]:
    """Carry out `goal`; stops at the first step that is not done after `attempts`. Raises NotReady and Refused."""
    steps = robot.plan(goal).steps
    say(f"{goal}: {len(steps)} steps" if steps else f"{goal}: nothing to do")
    reports: list[StepReport] = []
    for step in steps:
        reports.append(carry_out(robot, step, attempts, max_chunks, say))
        if reports[-1].problem:
            break
    return reports


def carry_out(robot: VlaserClient, step: PlanStep, attempts: int, max_chunks: int, say: Callable[[str], None]) -> StepReport:
    chunks, problem = 0, ""
    for attempt in range(1, attempts + 1):
        if step.target and not robot.ground(step.target).labels:
            return StepReport(step.text, attempt - 1, chunks, f"cannot see the {step.target}")
        say(f"  {step.text} (attempt {attempt})")
        result = robot.execute(step.text, max_chunks=max_chunks, stop_when_done=True, feedback=lambda told: say(f"    {told.status}"))
        chunks += result.chunks_accepted
        if result.error_code:
            problem = f"{result.error_msg} (code {result.error_code})"
            continue
        answer = robot.ask(f"Is the task done: {step.text}?")
        if answer.strip().lower().startswith("yes"):
            return StepReport(step.text, attempt, chunks, "")
        problem = f"asked whether it is done, the model says {answer!r}"
    return StepReport(step.text, attempts, chunks, problem)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("goal", help="what shall be true in the end")
    parser.add_argument("--attempts", type=int, default=2, help="a step (default: 2)")
    parser.add_argument("--max-chunks", type=int, default=20, help="action chunks an attempt (default: 20)")
    parser.add_argument("--namespace", default="", help="of the robot's nodes")
    arguments = parser.parse_args()
    try:
        with VlaserClient(namespace=arguments.namespace, name="plan_and_execute") as robot:
            robot.wait_ready(PATIENCE)
            reports = run(robot, arguments.goal, attempts=arguments.attempts, max_chunks=arguments.max_chunks)
    except VlaserError as error:
        print(error, file=sys.stderr)
        return 2
    for report in reports:
        print(f"{report.step}: {report.problem or 'done'} ({report.attempts} attempts, {report.chunks} chunks)")
    return int(any(report.problem for report in reports))


if __name__ == "__main__":
    sys.exit(main())
