"""The examples do what their first lines say, against a server with a scripted model."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from vlaser_msgs.msg import ResultCode  # noqa: E402

from vlaser_core.reasoning.types import Answer, Grounding, Plan, PlanStep  # noqa: E402
from vlaser_ros.domains import free_domain  # noqa: E402

pytestmark = pytest.mark.ros
PATIENCE = 20.0


@pytest.fixture(scope="module")
def site(serving):
    with serving() as made:
        yield made


class Script:
    """What the model says. answers: to each question, in order; then `yes`. unseen: phrases that are not found."""

    def __init__(self, site, monkeypatch) -> None:
        self.steps = ("pick up the carrot", "put it down")
        self.answers: list[str] = []
        self.unseen: set[str] = set()
        self.executed: list[str] = []
        predict = site.engine.predict
        monkeypatch.setattr(site.engine, "plan", self.plan)
        monkeypatch.setattr(site.engine, "ground", self.ground)
        monkeypatch.setattr(site.engine, "ask", lambda image, question: Answer(text=self.answers.pop(0) if self.answers else "yes", score=1.0))

        def note(observation, instruction, **options):
            self.executed.append(instruction)
            return predict(observation, instruction, **options)

        monkeypatch.setattr(site.engine, "predict", note)

    def plan(self, image, goal, ground=False) -> Plan:
        return Plan(goal=goal, steps=tuple(PlanStep(text=text, target=text.split()[-1], point=None, grounding=None) for text in self.steps), text="")

    def ground(self, image, phrase) -> Grounding:
        found = () if phrase in self.unseen else ((1, 1, 9, 9),)
        return Grounding(phrase=phrase, boxes=found, points=(), labels=(phrase,) * len(found), scores=(), text="", width=320, height=240)


@pytest.fixture
def script(site, monkeypatch):
    site.robot.judge = lambda chunk: 0
    return Script(site, monkeypatch)


class TestPlanAndExecute:
    def run(self, site, **options):
        return importlib.import_module("vlaser_ros.examples.plan_and_execute").run(site.client, "tidy up", max_chunks=1, say=lambda line: None, **options)

    def test_every_step_is_executed_in_order_and_asked_about(self, site, script):
        reports = self.run(site)
        assert [(report.step, report.problem, report.attempts) for report in reports] == [(step, "", 1) for step in script.steps]
        assert script.executed == list(script.steps)

    def test_a_step_that_is_not_done_is_tried_again(self, site, script):
        script.answers = ["no"]
        reports = self.run(site)
        assert [report.attempts for report in reports] == [2, 1] and not any(report.problem for report in reports)
        assert script.executed == [script.steps[0], script.steps[0], script.steps[1]]

    def test_it_stops_at_the_step_that_never_gets_done(self, site, script):
        script.answers = ["no"] * 9
        reports = self.run(site, attempts=3)
        assert len(reports) == 1 and "'no'" in reports[0].problem and len(script.executed) == 3

    def test_what_cannot_be_seen_is_not_reached_for(self, site, script):
        script.unseen = {"carrot"}
        reports = self.run(site)
        assert reports[0].problem == "cannot see the carrot" and script.executed == []

    def test_a_refused_motion_is_told_with_its_code(self, site, script):
        site.robot.judge = lambda chunk: ResultCode.GATE_ESTOP if chunk.horizon else 0
        reports = self.run(site, attempts=1)
        assert f"code {ResultCode.GATE_ESTOP}" in reports[0].problem

    def test_from_the_command_line_without_a_robot_it_says_what_is_missing(self, monkeypatch):
        module = importlib.import_module("vlaser_ros.examples.plan_and_execute")
        program = f"import sys, {module.__name__} as example; sys.argv[1:] = ['tidy up']; example.PATIENCE = 0.5; sys.exit(example.main())"
        environment = {**os.environ, "ROS_DOMAIN_ID": str(free_domain())}
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=environment, check=False)
        assert done.returncode == 2 and "execute" in done.stderr and "Traceback" not in done.stderr


class TestBehaviours:
    @pytest.fixture(autouse=True)
    def needed(self):
        pytest.importorskip("py_trees", reason="needs py_trees: pip install py_trees")

    def run(self, site, **options):
        module = importlib.import_module("vlaser_ros.examples.py_trees_behaviours")
        return module.run(module.tree(site.client, "tidy up", max_chunks=1, **options), period=0.01, show=lambda picture: None)

    def test_the_tree_succeeds_when_every_step_is_done(self, site, script):
        assert self.run(site).value == "SUCCESS"
        assert script.executed == list(script.steps)

    def test_a_step_is_retried_and_then_fails_the_tree(self, site, script):
        script.answers = ["no"]
        assert self.run(site).value == "SUCCESS" and len(script.executed) == 3
        script.executed.clear()
        script.answers = ["no"] * 9
        assert self.run(site, attempts=2).value == "FAILURE" and script.executed == [script.steps[0]] * 2

    def test_a_plan_without_steps_is_reached_already(self, site, script):
        script.steps = ()
        assert self.run(site).value == "SUCCESS" and script.executed == []

    def test_what_cannot_be_seen_fails_before_anything_moves(self, site, script):
        script.unseen = {"carrot"}
        assert self.run(site).value == "FAILURE" and script.executed == []

    def test_a_tree_that_is_interrupted_cancels_the_goal(self, site, script):
        from py_trees.common import Status

        module = importlib.import_module("vlaser_ros.examples.py_trees_behaviours")
        root = module.tree(site.client, "tidy up")
        while not site.client.feedback() or not site.server.goals.running:
            root.tick_once()
            assert root.status == Status.RUNNING
        root.stop(Status.INVALID)
        assert site.client.result(PATIENCE).error_code == ResultCode.CANCELED
        assert site.robot.wire[-1].horizon == 0
