"""The program that runs in the simulator's own Python: the folder is started as `python -I <folder>`; vlaser imports none of it."""
