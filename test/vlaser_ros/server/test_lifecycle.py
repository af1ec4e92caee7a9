"""The server's lifecycle as a lifecycle manager sees it, by the node's own services."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from lifecycle_msgs.msg import TransitionEvent  # noqa: E402
from rcl_interfaces.srv import GetParameters  # noqa: E402
from vlaser_msgs.action import Execute  # noqa: E402
from vlaser_msgs.msg import ResultCode  # noqa: E402

from vlaser_core.errors import ConfigError  # noqa: E402
from vlaser_ros.client import NotReady, Refused  # noqa: E402
from vlaser_ros.server import loading, node  # noqa: E402

from .conftest import PATIENCE, until  # noqa: E402

pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def site(serving):
    with serving(autostart=False, ready=False) as made:
        yield made


@pytest.fixture(autouse=True)
def from_the_start(site):
    """Every test begins unconfigured, with a model that can be loaded."""
    for label in ("deactivate", "cleanup"):
        site.change(label)
    assert site.state() == "unconfigured"
    assert site.set("embodiment", "widowx") == ""
    yield


def test_without_autostart_nothing_is_loaded_and_no_action_is_offered_until_asked(serving):
    with serving(autostart=False, ready=False) as made:
        assert made.state() == "unconfigured" and made.server.loaded is None
        with pytest.raises(NotReady, match="not there"):
            made.client.send("go")
        assert made.change("configure") and made.change("activate")
        made.client.wait_ready(PATIENCE, controller=False)
        assert made.client.ask("what?") == "You asked: what?"


def test_autostart_ends_active(serving):
    with serving() as made:
        assert made.state() == "active"


def test_transitions_out_of_order_are_refused_and_change_nothing(site):
    assert not site.change("activate") and not site.change("deactivate") and not site.change("cleanup")
    assert site.state() == "unconfigured"
    assert site.change("configure") and not site.change("configure")
    assert site.state() == "inactive" and site.server.loaded is not None
    assert site.change("activate") and not site.change("cleanup")
    assert site.state() == "active"


def test_a_configuration_that_fails_leaves_the_node_unconfigured_with_its_reason(site):
    assert site.set("embodiment", "unicorn") == ""
    assert not site.change("configure")
    assert site.state() == "unconfigured" and site.server.loaded is None
    report = until(lambda: site.status("policy", "unicorn"), "a report on the failure")
    assert report.level == b"\x02" and "unknown embodiment" in report.message
    assert site.set("embodiment", "widowx") == ""
    assert site.change("configure") and site.state() == "inactive"


def test_a_server_that_starts_by_itself_and_cannot_says_why(serving):
    with pytest.raises(ConfigError, match="unicorn"):
        with serving(embodiment="unicorn"):
            raise AssertionError("it served")


def test_an_inactive_server_refuses_with_a_code_and_serves_again_when_activated(site):
    assert site.change("configure") and site.change("activate")
    site.client.wait_ready(PATIENCE, controller=False)
    until(site.server.chunks.get_subscription_count, "discovery of the controller")
    assert site.change("deactivate")
    result = site.client.execute("go")
    assert (result.outcome, result.error_code) == (Execute.Result.FAILED, ResultCode.MODEL_NOT_READY) and "inactive" in result.error_msg
    for verb in (site.client.ask, site.client.ground, site.client.plan, site.client.predict):
        with pytest.raises(Refused, match="inactive") as refusal:
            verb("cup")
        assert refusal.value.code == ResultCode.MODEL_NOT_READY
    assert site.change("cleanup")
    with pytest.raises(Refused, match="configure and activate") as refusal:
        site.client.ask("cup")
    assert refusal.value.code == ResultCode.MODEL_NOT_READY
    assert site.change("configure") and site.change("activate")
    assert site.client.execute("go", max_chunks=1).error_code == ResultCode.NONE


def test_deactivating_ends_the_running_goal_with_the_arm_held_last(site):
    assert site.change("configure") and site.change("activate")
    site.client.wait_ready(PATIENCE, controller=False)
    moving = threading.Event()
    site.client.send("go", feedback=lambda _: moving.set())
    assert moving.wait(PATIENCE)
    assert site.change("deactivate")
    sent = len(site.robot.wire)
    result = site.client.result(PATIENCE)
    assert (result.outcome, result.error_code) == (Execute.Result.FAILED, ResultCode.SHUTDOWN) and "deactivated" in result.error_msg
    assert site.robot.wire[-1].horizon == 0 and len(site.robot.wire) == sent


def test_diagnostics_state_and_parameters_answer_while_a_model_loads(site, monkeypatch):
    entered, leave = threading.Event(), threading.Event()

    def slow(setup):
        entered.set()
        assert leave.wait(PATIENCE)
        return loading.load_engine(setup)

    monkeypatch.setattr(node, "load_engine", slow)
    answers = []
    asker = threading.Thread(target=lambda: answers.append(site.change("configure")))
    asker.start()
    try:
        assert entered.wait(PATIENCE)
        site.reports.clear()
        assert site.state() == "configuring"
        assert site.call(GetParameters, "vlaser_server/get_parameters", GetParameters.Request(names=["engine"])).values[0].string_value == "stand_in"
        assert until(lambda: site.status("policy", "loading"), "a report while loading").level == b"\x01"
        assert not site.change("configure"), "a second configure beside the first"
    finally:
        leave.set()
        asker.join(PATIENCE)
    assert answers == [True] and site.state() == "inactive"


def test_cleanup_lets_go_of_the_model(site):
    assert site.change("configure") and site.change("activate")
    site.client.wait_ready(PATIENCE, controller=False)
    until(site.server.chunks.get_subscription_count, "discovery of the controller")
    assert site.client.execute("go", max_chunks=1).error_code == ResultCode.NONE
    site.client.ask("what?")
    model = weakref.ref(site.server.loaded.engine)
    assert site.change("deactivate") and site.change("cleanup")
    until(lambda: gc.collect() or model() is None, "the model's end")


def test_what_configure_reads_may_change_only_while_unconfigured(site):
    assert site.change("configure")
    assert "clean the node up first" in site.set("stand_in_delay", 0.2)
    assert site.server.loaded.engine.delay == 0.0
    assert site.change("cleanup")
    assert site.set("stand_in_delay", 0.2) == ""
    assert site.change("configure")
    assert site.server.loaded.engine.delay == 0.2
    site.change("cleanup")
    site.set("stand_in_delay", 0.0)


@pytest.mark.slow
def test_another_checkpoint_is_served_after_cleanup_without_a_restart(site, tmp_path):
    import vlaser_core.engine  # noqa: F401 - here: reading torch from a slow disk is not what a transition's answer waits for

    assert site.change("configure") and site.change("activate")
    assert site.client.ask("what?") == "You asked: what?"
    assert site.change("deactivate") and site.change("cleanup")
    assert site.set("engine", "vlaser") == "" and site.set("checkpoint", str(tmp_path / "nowhere")) == ""
    try:
        assert not site.change("configure")
        assert "nowhere" in site.server.record.last_error and site.state() == "unconfigured"
        assert site.set("checkpoint", "") == ""
        assert site.change("configure") and site.change("activate")
        assert type(site.engine).__name__ == "Engine" and site.client.ask("what?") != "You asked: what?"
        model = weakref.ref(site.engine.model)
        assert site.change("deactivate") and site.change("cleanup")
        until(lambda: gc.collect() or model() is None, "the end of the model's weights")
    finally:
        site.set("engine", "stand_in")


def test_every_transition_is_announced(site):
    seen = []
    subscription = site.client.node.create_subscription(TransitionEvent, "vlaser_server/transition_event", seen.append, 10)
    until(lambda: site.client.node.count_publishers("/vlaser_server/transition_event"), "discovery of the announcements")
    assert site.change("configure") and site.change("cleanup")
    until(lambda: [event.goal_state.label for event in seen][-1:] == ["unconfigured"] and len(seen) >= 4, "the announcements")
    site.client.node.destroy_subscription(subscription)


def test_shutting_down_is_final(serving):
    with serving() as made:
        made.client.send("go")
        until(lambda: made.server.goals.running, "the goal's beginning")
        assert made.change("shutdown")
        assert made.state() == "finalized"
        assert made.client.result(PATIENCE).error_code == ResultCode.SHUTDOWN
        assert not made.change("configure")
