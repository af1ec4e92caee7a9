"""A demo or a test never lands in a domain where nodes of this machine already talk."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2's Python packages")

import rclpy  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402

from vlaser_core.errors import ConfigError  # noqa: E402
from vlaser_ros import domains  # noqa: E402


def test_a_domain_with_a_node_in_it_is_never_chosen(monkeypatch):
    domain, context = domains.free_domain(), Context()
    monkeypatch.setattr(domains, "DOMAINS", [domain])
    rclpy.init(context=context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("lodger", context=context)
    try:
        with pytest.raises(ConfigError, match="in use"):
            domains.free_domain()
    finally:
        node.destroy_node()
        context.try_shutdown()
