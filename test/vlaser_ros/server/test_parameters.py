"""The server's parameters by their services, as `ros2 param` uses them."""

from __future__ import annotations

import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from rcl_interfaces.msg import ParameterType  # noqa: E402
from rcl_interfaces.srv import DescribeParameters, ListParameters  # noqa: E402
from vlaser_msgs.msg import ResultCode  # noqa: E402

from vlaser_core.errors import ConfigError  # noqa: E402
from vlaser_ros.client import Refused  # noqa: E402

from .conftest import until  # noqa: E402

pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def site(serving):
    with serving() as made:
        yield made


def described(site, *names: str) -> list:
    return site.call(DescribeParameters, "vlaser_server/describe_parameters", DescribeParameters.Request(names=list(names))).descriptors


def test_every_parameter_says_what_it_is_and_when_it_may_change(site):
    listed = site.call(ListParameters, "vlaser_server/list_parameters", ListParameters.Request()).result.names
    own = [name for name in listed if not name.startswith(("qos_overrides.", "use_sim_time", "start_type_description_service"))]
    assert {"autostart", "checkpoint", "goal_policy", "inference_timeout", "max_observation_age", "annotate"} <= set(own)
    for descriptor in described(site, *own):
        assert len(descriptor.description) > 10, descriptor.name
        assert "change" in descriptor.additional_constraints or "fixed" in descriptor.additional_constraints, descriptor.name
        assert descriptor.read_only == ("fixed" in descriptor.additional_constraints)
        numeric = descriptor.type in (ParameterType.PARAMETER_INTEGER, ParameterType.PARAMETER_DOUBLE)
        assert bool(descriptor.integer_range or descriptor.floating_point_range) == numeric, descriptor.name


def test_the_choices_of_a_word_are_described(site):
    policy, reliability = described(site, "goal_policy", "image_reliability")
    assert "reject, preempt" in policy.additional_constraints and "auto, reliable, best_effort" in reliability.additional_constraints


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("goal_policy", "maybe", "expected reject or preempt"),
        ("default_timeout", 0.0, "range"),
        ("default_timeout", float("nan"), "range"),
        ("stand_in_target", [0.1, float("nan"), 0.2], "clean the node up first"),
        ("inference_timeout", 1e9, "range"),
        ("max_rejections", 0, "range"),
        ("done_question", "Are you done?", "{instruction}"),
        ("done_question", "{instruction} and {0}?", "{instruction}"),
        ("done_question", "{instruction", "{instruction}"),
        ("checkpoint", "/elsewhere", "clean the node up first"),
        ("engine", "vlaser", "clean the node up first"),
        ("image_topics", ["other"], "clean the node up first"),
        ("autostart", False, "read-only"),
        ("max_rejections", "three", "type"),
    ],
)
def test_what_cannot_be_set_is_refused_with_its_reason(site, name, value, word):
    before = site.server.get_parameter(name).value
    assert word in site.set(name, value)
    assert site.server.get_parameter(name).value == before


def test_a_whole_number_serves_for_a_duration(site):
    assert site.set("default_timeout", 45) == ""
    assert site.server.settings.default_timeout == 45.0 and isinstance(site.server.settings.default_timeout, float)


def refusal_of(site) -> int:
    try:
        site.client.predict("go")
    except Refused as refusal:
        assert "at most 0.50 s" in str(refusal)
        return refusal.code
    return ResultCode.NONE


def test_the_allowed_age_of_a_view_changes_at_once(site):
    site.robot.lags["front"] = 1.0
    try:
        assert site.set("max_observation_age", 0.5) == "" and site.set("observation_timeout", 0.2) == ""
        until(lambda: refusal_of(site) == ResultCode.STALE_OBSERVATION, "the refusal of a view 1 s old")
        assert site.set("max_observation_age", 30.0) == ""
        assert site.client.predict("go").actions.shape == (4, 7)
        assert site.set("max_observation_age", 0.0) == ""
        assert site.server.loaded.views.max_age == site.engine.embodiment.safety.max_observation_age
    finally:
        site.robot.lags.clear()
        site.set("max_observation_age", 30.0)


def test_no_picture_is_drawn_where_annotation_is_switched_off(site):
    seen = []
    site.server.pictures.publish = seen.append
    site.server.pictures.get_subscription_count = lambda: 1
    try:
        assert site.set("annotate", False) == ""
        site.client.ground("cup")
        assert seen == []
        assert site.set("annotate", True) == ""
        site.client.ground("cup")
        assert len(seen) == 1
    finally:
        del site.server.pictures.publish, site.server.pictures.get_subscription_count


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"engine": "magic"}, "'engine' is 'magic', expected vlaser or stand_in"),
        ({"stand_in_delay": 100.0}, "stand_in_delay"),
        ({"stand_in_target": [0.1, 0.2]}, "expected x, y, z"),
        ({"image_topics": ["a", "b"]}, "image_topics has 2 entries"),
        ({"image_topics": ["not a topic"]}, "not a topic"),
        ({"image_reliability": "mostly"}, "image_reliability"),
        ({"default_timeout": float("inf")}, "default_timeout"),
        ({"threads": 0}, "threads"),
    ],
)
def test_a_wrong_value_at_start_is_named(serving, parameters, words):
    with pytest.raises(ConfigError, match=words):
        with serving(**parameters):
            raise AssertionError("it started")
