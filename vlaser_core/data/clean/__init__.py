"""Cleaning: records that cannot be right, say nothing new, or belong to a benchmark are left out, each counted under its rule.

Rules about one record are stages (rules.py, decontaminate.py); duplicates need all records and are censuses (duplicates.py).
Set → set: `SetSource` reads what is there, the engine writes what is left. Nothing is repaired. No ROS, no model.
"""

from __future__ import annotations

from vlaser_core.data.clean.plan import CleanPlan

__all__ = ["CleanPlan"]
