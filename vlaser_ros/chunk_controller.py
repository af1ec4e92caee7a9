"""`chunk_controller`: from policy-space chunks to joint trajectories, through the gate. Small, and without torch.

    chunk_controller --ros-args -p embodiment:=widowx -p trajectory_topic:=arm_controller/joint_trajectory
"""

from __future__ import annotations

from vlaser_ros.process import guard, run


def main() -> None:
    guard()
    from vlaser_ros.controller import ChunkController

    run(ChunkController, threads=1)


if __name__ == "__main__":
    main()
