"""The contract as it travels in a bag: a robot and its topics, as YAML in a latched std_msgs/String.

A topic, not MCAP metadata: `ros2 bag convert`, `ros2 bag play` and a change of the storage keep topics and drop the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import yaml
from pydantic import TypeAdapter

from vlaser_core.embodiment import Embodiment, validate
from vlaser_core.errors import ConfigError, InputError
from vlaser_ros.bringup import Topics, load_bringup, load_embodiment

CONTRACT_TOPIC = "/vlaser/contract"
CONTRACT_TYPE = "std_msgs/msg/String"


@dataclass(frozen=True)
class Contract:
    """A robot, and the absolute names its images, joint states and trajectories have."""

    embodiment: Embodiment
    topics: Topics

    @classmethod
    def of(cls, config: str) -> Contract:
        """The contract of a configuration, by name or path. Raises ConfigError."""
        return cls(load_embodiment(config), load_bringup(config).topics)

    def to_yaml(self) -> str:
        plain = {"embodiment": TypeAdapter(Embodiment).dump_python(self.embodiment, mode="json"), "topics": TypeAdapter(Topics).dump_python(self.topics, mode="json")}
        return yaml.safe_dump(plain, sort_keys=False, default_flow_style=None)

    @classmethod
    def from_yaml(cls, text: str, where: str) -> Contract:
        """The contract a bag carries. Raises InputError naming `where` and the wrong field."""
        try:
            content = yaml.safe_load(text)
            if not isinstance(content, dict) or not {"embodiment", "topics"} <= set(content):
                raise InputError(f"{where} is no contract: expected a mapping with embodiment and topics")
            return cls(validate(Embodiment, content["embodiment"], where), validate(Topics, content["topics"], where))
        except (yaml.YAMLError, ConfigError) as error:
            raise InputError(f"{where}: the contract in the bag cannot be read ({error}); give --embodiment to use another") from error
