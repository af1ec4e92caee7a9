"""The simulated tabletop, driven by a policy behind a socket: what any simulator or robot of one's own would do in its place.

    vlaser serve &
    python -m vlaser_ros.examples.remote_policy --task widowx_carrot_on_plate

The client is one file that can be copied: the standard library and NumPy.
"""

from __future__ import annotations

import argparse
import sys

from sim_bridge.robotwin.adapter.vlaser_client import Policy, VlaserError
from sim_bridge.tabletop import Tabletop
from sim_bridge.world import World, execute
from vlaser_core.processing.actions import joint_waypoints
from vlaser_core.types import ActionChunk


def play(policy: Policy, world: World, steps: int) -> bool:
    """At most `steps` steps of the world's present task, asking for a chunk whenever one is used up. Whether the task is done at the end."""
    (picture,) = [camera for camera in policy.metadata["observation"]["cameras"] if camera["required"]]
    (state,) = policy.metadata["observation"]["state"]["keys"]
    taken = 0
    while taken < steps:
        view = world.observe()
        answer = policy.infer({picture["key"]: view.images[picture["camera"]], state: view.proprio, "prompt": world.instruction})
        chunk = ActionChunk(answer["actions"], view.stamp, world.embodiment.action.dt, answer["server_timing"]["infer_ms"] / 1000)
        joints, _ = world.joint_state()
        execute(world, joint_waypoints(world.embodiment, chunk, joints))
        taken += len(chunk.actions)
        print(f"step {taken:3d} of {steps}: {chunk.inference_s * 1000:.0f} ms")
    return world.is_success()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="ws://127.0.0.1:8000", help="of the served policy")
    parser.add_argument("--task", default="widowx_carrot_on_plate", help="of the tabletop")
    parser.add_argument("--seed", type=int, default=0, help="of the scene and the policy's noise")
    parser.add_argument("--steps", type=int, help="at most; the task's own number by default")
    parser.add_argument("--renderer", default="auto", help="egl, osmesa, rays, or the first of these that works")
    options = parser.parse_args(arguments)
    try:
        policy = Policy(options.url, wait=5.0)
        world = Tabletop(options.renderer)
        world.reset(options.task, options.seed)
        policy.reset(seed=options.seed * 1000)
        done = play(policy, world, options.steps or world.max_steps())
    except VlaserError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{world.instruction}: {'done' if done else 'not done'}")
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
