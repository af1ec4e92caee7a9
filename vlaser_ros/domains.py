"""A ROS domain that nobody on this machine uses yet: for demos and tests, whose nodes must not meet other people's."""

from __future__ import annotations

import random

import psutil

from vlaser_core.errors import ConfigError

FIRST_PORT, PORTS_PER_DOMAIN = 7400, 250  # of DDS (RTPS 2.5, 9.6.2.3): each participant of a domain listens on some of them
DOMAINS = range(1, 101)  # below the ports that Linux gives to outgoing connections


def free_domain() -> int:
    """A random domain none of whose ports is bound on this machine. Raises ConfigError when every one is in use."""
    used = {(connection.laddr.port - FIRST_PORT) // PORTS_PER_DOMAIN for connection in psutil.net_connections("udp") if connection.laddr}
    free = [domain for domain in DOMAINS if domain not in used]
    if not free:
        raise ConfigError(f"all ROS domains from {DOMAINS[0]} to {DOMAINS[-1]} are in use on this machine; stop some nodes or choose one yourself")
    return random.choice(free)
