"""RoboTwin 2.0 as others evaluate it: the adapter that a user's checkout gets, and an evaluation that runs there across a process boundary.

`adapter/` and `worker.py` run in RoboTwin's environment and import nothing of ours; the rest runs in ours and imports nothing of RoboTwin.
"""
