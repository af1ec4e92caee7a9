"""Who takes what is published: connected, not merely announced.

A node learns of another's topics before the middleware has connected the two, and the two ends of one connection do not learn of
it at once. What is published in between is lost, also where both ends are reliable.
"""

from __future__ import annotations

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

VERDICTS = QoSProfile(depth=64, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""Of vlaser/chunk_verdict. Kept for who is connected late: a verdict is found by its goal and its chunk's number, so an old one does no harm."""

NAMELESS = ("_NODE_NAMESPACE_UNKNOWN_", "_NODE_NAME_UNKNOWN_")
"""What the middleware calls a node of which it knows the topics alone so far."""


def is_answered(node: Node, publisher: Publisher, answers: str) -> bool:
    """Whether some node takes what `publisher` says and answers on the topic `answers`, and nobody who takes it is still being connected.

    Others may listen too, a recorder for one: the middleware tells how many are connected, not who, so all of them must be.
    """
    takers = [
        (info.node_namespace, info.node_name)
        for info in node.get_subscriptions_info_by_topic(publisher.topic_name)
        if _is_offered(info.qos_profile, publisher.qos_profile)
    ]
    givers = {(info.node_namespace, info.node_name) for info in node.get_publishers_info_by_topic(node.resolve_topic_name(answers))}
    givers.discard(NAMELESS)  # two nodes that have not said their names yet are not one
    return not givers.isdisjoint(takers) and publisher.get_subscription_count() >= len(takers)


def _is_offered(asked: QoSProfile, offered: QoSProfile) -> bool:
    # Not rclpy's qos_check_compatible: it takes a profile's "as the middleware has it" for a deadline of zero.
    kept = asked.durability != DurabilityPolicy.TRANSIENT_LOCAL or offered.durability == DurabilityPolicy.TRANSIENT_LOCAL
    return kept and (asked.reliability != ReliabilityPolicy.RELIABLE or offered.reliability == ReliabilityPolicy.RELIABLE)
