"""In place of the physics engine: see `core.py`."""
