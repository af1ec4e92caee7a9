"""The paper's experiment in a size anyone can run: does reasoning data from the robot's own view help the robot move?

`vlaser ablation` runs it. `settings.py` says what is varied and how long each part trains; `jobs.py` turns that into jobs
that depend on each other; `backbones.py` (stage 1), `policies.py` (stage 2) and `judging.py` (scores, episodes) do one job
each; `summary.py` puts results together and `page.py` shows them. Every job leaves one file under `results/` and is not done
again where that is.
"""
