"""The program that runs in the simulator's own Python, and the language it speaks with ours (`wire.py`).

Nothing here imports more than the standard library, numpy and, in `simulator.py`, the simulator: the folder is started as
`python -I <folder>` by another interpreter, where this project is not installed. vlaser imports `wire` alone.
"""
