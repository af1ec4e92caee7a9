"""How far a pick-and-place task has come, by where things are; empty where two phases are too close to call.

The embedded tabletop knows its expert's own phase. Of other simulators there is only the state, so what is asked about is what
nobody would dispute: between the bounds below there is no phase, and no question about it.
"""

from __future__ import annotations

import numpy as np

from vlaser_core.data.truth import ObjectTruth

AT, AWAY = 0.02, 0.06  # metres across the table: nearer than this, fingers are over a thing; farther, on their way to it
LOW, HIGH = 0.015, 0.04  # metres that a held thing's underside has risen: not lifted yet, lifted
GAP = 0.015  # metres between a held thing and what it goes onto from which it has to be lowered
CLOSE, CLEAR = 0.05, 0.10  # metres from the fingers to a thing let go: they have to leave, they have left
OPEN = 0.8  # openness from which fingers have let go


def phase_of(
    source: ObjectTruth, target: ObjectTruth, gripper: np.ndarray, openness: float, risen: float, success: bool
) -> str:
    """One of PHASES or empty. gripper: (3,) grasp point between the fingers; risen: metres of the source's underside above
    the lowest place it had in the episode. Frames and units as in `SceneTruth`; both things have sizes.
    """
    if source.size is None or target.size is None:
        return ""
    place, goal = np.array(source.position), np.array(target.position)
    placed = source.support == target.name
    if source.held:
        gap = (place[2] - source.size[2] / 2) - (goal[2] + target.size[2] / 2)
        return _held(float(np.linalg.norm((place - goal)[:2])), min(target.size[:2]) / 2, float(gap), risen)
    away = gripper - place
    if placed or success:
        if not (placed and success) or openness < OPEN:
            return ""
        far = float(np.linalg.norm(away))
        return "done" if far > CLEAR else "retreat" if far < CLOSE else ""
    aside, above = float(np.linalg.norm(away[:2])), float(away[2])
    if aside > AWAY:
        return "reach"
    if aside > AT:
        return ""
    return "descend" if above > 0.03 else "grasp" if abs(above) < AT and openness >= OPEN else ""


def _held(aside: float, radius: float, gap: float, risen: float) -> str:
    if aside < 0.5 * radius:
        return "lower" if gap > GAP else "release" if gap < 0.002 else ""
    if aside < radius + AT:
        return ""
    return "lift" if risen < LOW else "carry" if risen > HIGH else ""
