"""The experiment as a command: `vlaser ablation`, or without ROS `python -m training.ablation`.

    vlaser ablation --out runs/ablation                  # all of it; stopped, the same command goes on
    vlaser ablation --out runs/ablation --workers 2
    vlaser ablation --recipe ablation_smoke --out runs/ablation-smoke
    vlaser ablation --out runs/ablation --only-report    # of what is done so far
"""

from __future__ import annotations

import tyro

from training.ablation.command import Command

if __name__ == "__main__":
    raise SystemExit(tyro.cli(Command, prog="python -m training.ablation", description=__doc__).run())
