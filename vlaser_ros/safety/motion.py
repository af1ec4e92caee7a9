"""A motion as it goes to the arm: points in time, as waypoints alone or resampled to the controller's rate. No ROS.

Resampled, the path is a cubic Hermite spline through the waypoints: it starts with the position and velocity that are
commanded at the splice, passes every waypoint, does not swing past one (Fritsch & Carlson, 1980: monotone between
waypoints) and ends at rest, as the arm holds there when no next chunk comes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Motion:
    """times: (k,) s, increasing; positions: (k, n) rad; velocities: (k, n) rad/s, None where only waypoints are given;
    openness: (k, G), 0 closed … 1 open."""

    times: np.ndarray
    positions: np.ndarray
    openness: np.ndarray
    velocities: np.ndarray | None = None


def tangents(steps: np.ndarray, slopes: np.ndarray, begin: np.ndarray) -> np.ndarray:
    """Velocities (k+1, n) at the knots of k segments: `begin` (n,) at the first, zero at the last.

    steps: (k,) s; slopes: (k, n). Between two segments of one direction their weighted harmonic mean, at a turn zero.
    """
    before, after = slopes[:-1], slopes[1:]
    first, second = (2 * steps[1:] + steps[:-1])[:, None], (steps[1:] + 2 * steps[:-1])[:, None]
    same = before * after > 0.0
    bottom = np.where(same, first * after + second * before, 1.0)
    middle = np.where(same, (first + second) * before * after / bottom, 0.0)
    return np.vstack([begin, middle, np.zeros_like(begin)])


def resample(waypoints: Motion, now: float, start: np.ndarray, velocity: np.ndarray, rate: float) -> tuple[Motion, np.ndarray]:
    """The motion at `rate` (Hz) from `start` (n,) and `velocity` (n,), which are commanded at `now` (s); and accelerations (k, n).

    Points stand at whole periods before the last waypoint, which is the last of them. Openness is that of the waypoint
    a point leads to.
    """
    knots = np.concatenate([[now], waypoints.times])
    path = np.vstack([start, waypoints.positions])
    steps = np.diff(knots)
    speeds = tangents(steps, np.diff(path, axis=0) / steps[:, None], velocity)
    count = max(1, int(np.ceil((knots[-1] - now) * rate - 1e-6)))
    times = knots[-1] - np.arange(count - 1, -1, -1) / rate
    segment = np.clip(np.searchsorted(knots, times, side="left") - 1, 0, len(steps) - 1)
    h = steps[segment][:, None]
    s = ((times - knots[segment]) / steps[segment])[:, None]
    y0, y1, m0, m1 = path[segment], path[segment + 1], speeds[segment] * h, speeds[segment + 1] * h
    way = y1 - y0
    second, third = 3 * way - 2 * m0 - m1, m0 + m1 - 2 * way  # y = y0 + m0 s + second s² + third s³
    positions = y0 + s * (m0 + s * (second + s * third))
    velocities = (m0 + s * (2 * second + 3 * s * third)) / h
    accelerations = (2 * second + 6 * s * third) / h**2
    # The bend is strongest at a segment's ends: its beginning lies between two points and counts as well.
    bends = np.vstack([accelerations, (2 * second) / h**2])
    return Motion(times, positions, waypoints.openness[segment], velocities), bends
