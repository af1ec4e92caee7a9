from __future__ import annotations

import importlib.util
from pathlib import Path

_SPEC = importlib.util.spec_from_file_location("robot_data", Path(__file__).parents[2] / "robot_data.py")
_data = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_data)
recorded, demonstrations = _data.recorded, _data.demonstrations
