"""SimplerEnv as the vla-evaluation-harness gives it, for a policy in Bridge's or Fractal's conventions.

    ws://127.0.0.1:8000/vla-eval/simpler-widowx      ws://127.0.0.1:8000/vla-eval/simpler-google

Its benchmark sends the picture as `primary` and, when asked to (`send_state`), the end effector in the robot's base frame as xyz, quaternion
wxyz and openness; it takes Δxyz, a rotation vector and openness, and turns openness into its robot's gripper command itself. RoboTwin's
benchmark needs no adapter: it uses the contract's own names (`config/robotwin.yaml`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from sim_bridge.simpler.conventions import google_proprio, rotation_vector, widowx_proprio
from vlaser_core.errors import InputError
from vlaser_core.serve.harness import Adapter, images_of
from vlaser_core.serve.keys import numbers
from vlaser_core.serve.worker import Policy

_POSES = {"simpler-widowx": (widowx_proprio, 7), "simpler-google": (google_proprio, 8)}


class Simpler:
    """One of SimplerEnv's robots: proprioception from the simulator's state, actions to the benchmark's."""

    def __init__(self, camera: str, proprio: Callable[[np.ndarray], np.ndarray]) -> None:
        self._camera, self._proprio = camera, proprio

    def needs(self) -> dict:
        def spec(name: str, dims: int, form: str) -> dict:
            return {"name": name, "dims": dims, "format": form}

        return {
            "observation_params": {"send_state": True},
            "observation_spec": {"primary": spec("image", 0, "rgb_hwc_uint8"), "language": spec("language", 0, "language"), "state": spec("raw", 0, "raw")},
            "action_spec": {
                "position": spec("position", 3, "delta_xyz"),
                "rotation": spec("rotation", 3, "axis_angle"),
                "gripper": spec("gripper", 1, "continuous_01"),
            },
        }

    def view(self, payload: Mapping) -> tuple[dict[str, np.ndarray], np.ndarray]:
        if "states" not in payload:
            raise InputError(
                f"missing 'states' (xyz, quaternion wxyz, openness), which the benchmark sends with send_state; it sent {sorted(map(str, payload))}"
            )
        return images_of(payload, {self._camera: "primary"}, (self._camera,)), self._proprio(numbers(payload["states"], "states"))

    def action(self, action: np.ndarray) -> np.ndarray:
        return np.array([*action[:3], *rotation_vector(action[3:6]), action[6]])


def adapters_for(policy: Policy) -> dict[str, Adapter]:
    """The harness' benchmarks that a policy can be asked by, beyond those that use its robot's own names: it looks through one camera."""
    robot = policy.embodiment
    if robot.action.kind != "delta_eef_pose" or robot.action_dim != 7 or len(policy.cameras) != 1:
        return {}
    return {name: Simpler(policy.cameras[0], proprio) for name, (proprio, dims) in _POSES.items() if dims == robot.proprio_dim}
