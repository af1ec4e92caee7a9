"""Publishing on a computer that is too busy: Fast DDS gives up after 0.1 s, and rclpy raises."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.subscription import RCLError


def publish_or_tell(node: Node, publisher: Publisher, message) -> bool:
    """Publish what the next message makes good; False, and a line in the log, where the middleware could not."""
    try:
        publisher.publish(message)
    except RCLError as error:
        node.get_logger().warning(f"nothing was published on {publisher.topic_name}: {str(error).split(', at ')[0]}", throttle_duration_sec=5.0)
        return False
    return True
