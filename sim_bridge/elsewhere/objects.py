"""What stands about elsewhere: fifteen kinds of things that no tabletop task knows."""

from __future__ import annotations

import numpy as np

from sim_bridge.shapes import Shape

_BROWN, _DARK, _PALE, _STEEL = ('rgba="0.36 0.22 0.10 1"', 'rgba="0.07 0.07 0.075 1"', 'rgba="0.92 0.90 0.84 1"', 'rgba="0.62 0.63 0.66 1"')


def _rim(length: float, width: float, low: float, high: float, wall: float, what: str = "{t}") -> str:
    """Four upright walls around a rectangle of half lengths `length` and `width`, from height `low` to `high`."""
    middle, half = (low + high) / 2, (high - low) / 2
    parts = []
    for sign in (-1, 1):
        parts.append(f'<geom type="box" size="{wall} {width} {half}" pos="{sign * (length - wall)} 0 {middle}" {what}/>')
        parts.append(f'<geom type="box" size="{length} {wall} {half}" pos="0 {sign * (width - wall)} {middle}" {what}/>')
    return "".join(parts)


def _vertices(points: np.ndarray) -> str:
    return " ".join(f"{value:.5f}" for value in points.ravel())


_TURN = np.linspace(0, 2 * np.pi, 20, endpoint=False)
MESHES = (
    f'<mesh name="cone" vertex="{_vertices(np.array([*np.stack([0.052 * np.cos(_TURN), 0.052 * np.sin(_TURN), np.full(20, -0.07)], 1), (0, 0, 0.07)]))}"/>'
    f'<mesh name="pyramid" vertex="{_vertices(np.array([(-0.05, -0.05, -0.045), (0.05, -0.05, -0.045), (-0.05, 0.05, -0.045), (0.05, 0.05, -0.045), (0, 0, 0.045)]))}"/>'
)
"""Convex hulls of points; bodies of meshes keep their own frame only when these are centred, see `centred`."""

_APPLE = Shape(
    "apple", 0.038, 0.037,
    '<geom type="sphere" size="0.036" pos="0 0 -0.002" {t}/><geom type="capsule" size="0.0022" fromto="0 0 0.033 0.004 0 0.0355" ' + _BROWN + " {p}/>",
    width=0.072, colours=("red", "green"),
)  # fmt: skip
_BOOK = Shape(
    "book", 0.015, 0.125,
    '<geom type="box" size="0.075 0.10 0.002" pos="0 0 0.013" {t}/><geom type="box" size="0.075 0.10 0.002" pos="0 0 -0.013" {t}/>'
    '<geom type="box" size="0.002 0.10 0.015" pos="-0.075 0 0" {t}/><geom type="box" size="0.070 0.096 0.011" pos="0 0 0" ' + _PALE + " {p}/>",
    width=0.03, top=0.07, floor=0.015, colours=("red", "blue", "green", "purple", "black", "orange"),
)  # fmt: skip
_CANDLE = Shape(
    "candle", 0.062, 0.022,
    '<geom type="cylinder" size="0.02 0.052" pos="0 0 -0.010" {t}/><geom type="capsule" size="0.0015" fromto="0 0 0.042 0 0 0.048" ' + _DARK + " {p}/>"
    '<geom type="ellipsoid" size="0.005 0.005 0.009" pos="0 0 0.053" rgba="1 0.72 0.2 1" {p}/>',
    width=0.04, colours=("white", "red", "yellow", "pink", "blue"),
)  # fmt: skip

CATALOGUE: dict[str, Shape] = {
    "apple_one": _APPLE,
    "apple_two": _APPLE,
    "book_one": _BOOK,
    "book_two": _BOOK,
    "candle_one": _CANDLE,
    "candle_two": _CANDLE,
    "lemon": Shape(
        "lemon", 0.026, 0.04,
        '<geom type="ellipsoid" size="0.034 0.026 0.026" {t}/><geom type="ellipsoid" size="0.008 0.007 0.007" pos="0.033 0 0" {t}/>',
        width=0.052, colours=("yellow",),
    ),
    "pot": Shape(
        "pot", 0.05, 0.105,
        '<geom type="cylinder" size="0.075 0.049" pos="0 0 -0.001" {t}/><geom type="cylinder" size="0.069 0.0006" pos="0 0 0.0486" ' + _DARK + " {p}/>"
        '<geom type="box" size="0.014 0.022 0.005" pos="0.088 0 0.03" ' + _DARK + ' {p}/><geom type="box" size="0.014 0.022 0.005" pos="-0.088 0 0.03" ' + _DARK + " {p}/>",
        width=0.028, grasp_height=0.03, grasp_along=0.09, colours=("red", "blue", "grey", "white", "green"),
    ),
    "jar": Shape(
        "jar", 0.06, 0.04,
        '<geom type="cylinder" size="0.037 0.050" pos="0 0 -0.010" {t}/><geom type="cylinder" size="0.033 0.012" pos="0 0 0.048" ' + _STEEL + " {p}/>",
        width=0.07, colours=("yellow", "red", "brown", "green", "purple"),
    ),
    "vase": Shape(
        "vase", 0.10, 0.055,
        '<geom type="ellipsoid" size="0.052 0.052 0.062" pos="0 0 -0.034" {t}/><geom type="cylinder" size="0.03 0.006" pos="0 0 -0.094" {t}/>'
        '<geom type="cylinder" size="0.02 0.048" pos="0 0 0.045" {t}/><geom type="cylinder" size="0.033 0.005" pos="0 0 0.095" {t}/>'
        '<geom type="cylinder" size="0.025 0.0004" pos="0 0 0.0998" ' + _DARK + " {p}/>",
        width=0.04, grasp_height=0.05, colours=("blue", "white", "green", "orange", "purple", "pink"),
    ),
    "mushroom": Shape(
        "mushroom", 0.035, 0.042,
        '<geom type="cylinder" size="0.015 0.025" pos="0 0 -0.010" ' + _PALE + ' {p}/><geom type="ellipsoid" size="0.040 0.040 0.020" pos="0 0 0.015" {t}/>',
        width=0.03, grasp_height=-0.018, colours=("brown", "red"),
    ),
    "lamp": Shape(
        "lamp", 0.16, 0.075,
        '<geom type="cylinder" size="0.06 0.007" pos="0 0 -0.153" ' + _DARK + ' {p}/><geom type="cylinder" size="0.007 0.10" pos="0 0 -0.046" ' + _DARK + " {p}/>"
        '<geom type="cylinder" size="0.072 0.055" pos="0 0 0.105" {t}/>',
        width=0.014, grasp_height=-0.06, colours=("white", "yellow", "red", "blue", "green"),
    ),
    "hammer": Shape(
        "hammer", 0.018, 0.13,
        '<geom type="capsule" size="0.011" fromto="-0.115 0 0 0.075 0 0" ' + _BROWN + ' {p}/><geom type="box" size="0.016 0.048 0.018" pos="0.085 0 0" {t}/>',
        width=0.022, grasp_along=-0.05, colours=("grey", "red", "black", "blue"),
    ),
    "cone": Shape("cone", 0.07, 0.055, '<geom type="mesh" mesh="cone" {t}/>', width=0.05, colours=("orange", "red", "blue", "green", "pink")),
    "pyramid": Shape("pyramid", 0.045, 0.072, '<geom type="mesh" mesh="pyramid" {t}/>', width=0.05, colours=("yellow", "purple", "green", "red", "black")),
    "tray": Shape(
        "tray", 0.012, 0.20,
        '<geom type="box" size="0.16 0.11 0.004" pos="0 0 -0.008" {t}/>' + _rim(0.16, 0.11, -0.004, 0.012, 0.004),
        top=0.10, floor=-0.004, colours=("brown", "white", "black", "blue", "grey"),
    ),
    "crate": Shape(
        "crate", 0.05, 0.145,
        '<geom type="box" size="0.12 0.085 0.004" pos="0 0 -0.046" {t}/>' + _rim(0.12, 0.085, -0.042, 0.0, 0.004) + _rim(0.12, 0.085, 0.014, 0.05, 0.004)
        + "".join(f'<geom type="box" size="0.006 0.006 0.046" pos="{x} {y} 0.004" {{t}}/>' for x in (-0.111, 0.111) for y in (-0.076, 0.076)),
        top=0.078, floor=-0.042, colours=("brown", "white", "green", "blue"),
    ),
    "pan": Shape(
        "pan", 0.018, 0.20,
        '<geom type="cylinder" size="0.09 0.004" pos="0 0 -0.014" {t}/>'
        + "".join(
            f'<geom type="box" size="0.0155 0.003 0.016" pos="{0.09 * np.cos(a):.5f} {0.09 * np.sin(a):.5f} 0.002" euler="0 0 {a + np.pi / 2:.5f}" {{t}}/>'
            for a in np.linspace(0, 2 * np.pi, 18, endpoint=False)
        )
        + '<geom type="capsule" size="0.009" fromto="0.095 0 0.008 0.215 0 0.009" ' + _DARK + " {p}/>",
        width=0.018, grasp_height=0.008, grasp_along=0.165, top=0.075, floor=-0.010, colours=("black", "grey", "red", "blue"),
    ),
}  # fmt: skip
# What a thing may be put on or in by a task: with which word, and in whose favour the size speaks.
PLACES = {"tray": "on", "crate": "in", "pan": "in", "book_one": "on", "book_two": "on"}
