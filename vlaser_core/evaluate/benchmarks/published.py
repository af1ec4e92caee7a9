"""Table 1 of the Vlaser paper (arXiv 2510.11027): percent on each benchmark, and their plain mean, which it calls the normalised average."""

from __future__ import annotations

TITLES = {
    "erqa": "ERQA",
    "egoplan_bench2": "EgoPlan-Bench2",
    "where2place": "Where2Place",
    "point_bench": "PointArena",
    "paco_lvis": "PACO-LVIS",
    "pixmo_points": "Pixmo-Points",
    "vsi_bench": "VSI-Bench",
    "refspatial_bench": "RefSpatial-Bench",
    "mmsi_bench": "MMSI-Bench",
    "vlabench": "VLABench",
    "embodied_alfred": "EB-ALFRED",
    "embodied_habitat": "EB-Habitat",
}
NAMES = tuple(TITLES)
_ROWS = {
    "GPT-4o": (47.0, 41.8, 29.1, 29.5, 16.2, 10.8, 42.5, 8.8, 30.3, 39.3, 56.3, 59.0),
    "Gemini-2.5-Pro": (55.0, 42.9, 39.9, 62.8, 45.5, 25.8, 43.4, 30.3, 36.9, 34.8, 62.7, 53.0),
    "InternVL3-2B": (31.5, 30.9, 5.2, 7.1, 15.4, 1.4, 31.5, 1.8, 25.3, 19.4, 1.3, 12.0),
    "RoboBrain2.0-3B": (37.3, 41.8, 64.2, 46.0, 67.6, 36.9, 28.8, 46.5, 26.8, 18.1, 0.0, 10.0),
    "Vlaser-2B": (35.8, 38.3, 74.0, 57.8, 72.5, 44.6, 57.5, 43.0, 23.6, 23.1, 42.3, 30.7),
    "InternVL3-8B": (35.3, 40.0, 10.0, 14.2, 21.1, 5.7, 42.1, 5.6, 25.7, 24.7, 19.0, 23.7),
    "RoboBrain2.0-7B": (42.0, 33.2, 63.6, 49.5, 73.1, 37.8, 36.1, 32.5, 26.5, 6.6, 14.0, 29.3),
    "Vlaser-8B": (41.0, 53.4, 69.5, 60.3, 68.3, 40.5, 60.3, 59.2, 27.2, 45.6, 50.0, 40.0),
}
# The column that the table prints beside them.
AVERAGES = {
    "GPT-4o": 34.2,
    "Gemini-2.5-Pro": 44.4,
    "InternVL3-2B": 15.2,
    "RoboBrain2.0-3B": 35.3,
    "Vlaser-2B": 45.3,
    "InternVL3-8B": 22.3,
    "RoboBrain2.0-7B": 37.0,
    "Vlaser-8B": 51.3,
}
SOURCE = "Vlaser paper (arXiv 2510.11027), Table 1"


def published() -> dict[str, dict[str, float]]:
    """Percent by model and benchmark, `average` among them."""
    return {model: dict(zip(NAMES, row, strict=True)) | {"average": AVERAGES[model]} for model, row in _ROWS.items()}
