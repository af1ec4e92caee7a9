"""The chunk controller must stay small: a process between a policy and motors has no business with torch."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")


@pytest.mark.parametrize("module", ["vlaser_ros.controller", "vlaser_ros.drivers.sim_node", "vlaser_ros.client", "vlaser_ros.server.node"])
def test_no_node_imports_torch_before_a_model_is_asked_for(module):
    code = f"import sys, {module}; print(sorted({{'torch', 'transformers'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
