"""Launch tests need what starts their processes: `launch_test`, or pytest with launch_testing's plugin."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.pluginmanager.hasplugin("launch_testing"):
        return
    for item in items:
        if item.path.name.endswith("_launch.py"):
            item.add_marker(pytest.mark.skip(reason=f"needs launch_testing's pytest plugin; or run: launch_test test/launch/{item.path.name}"))
