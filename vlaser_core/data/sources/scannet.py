"""Spatial questions about ScanNet scans, derived from poses, depth and labelled objects (layout: `scannet_scene`).

About one picture: distance between two things, which is nearer to the camera, which is further left, how large one is. About a
walk through the room (several pictures): how many, which appears first, which way a thing lies for someone standing at a second and
facing a third. Only things whose label is theirs alone are named, and what is close to undecided is not asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path

import numpy as np

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.source import Damage, Sample, Unit
from vlaser_core.data.sources.base import Described, spread, unit_rng
from vlaser_core.data.sources.pictures import Sized, read_picture
from vlaser_core.data.sources.scannet_scene import SEEN, UNSEEN, Scene, Thing, View

NEARER_M = 0.3
LEFT = 0.08  # of the picture's width
TURN_DEG = 20.0  # directions nearer to a boundary than this are not asked
FAR_ENOUGH_M = 0.8


class ScanNet(Described):
    """frames: pictures of a walk. views: pictures of a scan asked about on their own. questions: of one kind a scan, at most."""

    name = "scannet"
    licence = "ScanNet Terms of Use (non-commercial research)"
    domain = "indoor scans"
    provenance = "3-D reconstruction and human labels"
    get = (
        "agree to ScanNet's terms (scan-net.org), download scans with labels, export color, depth, pose and intrinsic with its SensReader, "
        "and give the folder scans/ that holds scene0000_00/, …"
    )

    def __init__(self, root: Path, frames: int = 8, views: int = 12, questions: int = 3) -> None:
        super().__init__(root)
        self.frames, self.views, self.questions = frames, views, questions

    def units(self) -> Sequence[Unit]:
        """One unit a scan."""
        folders = sorted(path for path in self.root.glob("scene*_*") if path.is_dir())
        if not folders:
            raise self.missing("scene0000_00/")
        return [Unit(self.name, folder.name) for folder in folders]

    def read(self, unit: Unit, damage: Damage, seed: int) -> Iterator[Sample]:
        rng = unit_rng(unit, seed)
        try:
            scene = Scene(self.root / unit.key)
            if not scene.frames:
                raise Damaged("scan has no pictures", f"{unit.key}/color/*.jpg")
        except Damaged as error:
            damage.skip(f"{unit.key} ({error})", error.reason)
            return
        counts = Counter(thing.label for thing in scene.things)
        single = tuple(thing for thing in scene.things if counts[thing.label] == 1)
        for frame in spread(len(scene.frames), self.views):
            loaded = self._load(scene, scene.frames[frame], damage)
            if loaded is not None:
                yield from self._about_view(scene, single, *loaded, rng)
        walk = [
            loaded
            for index in spread(len(scene.frames), self.frames)
            if (loaded := self._load(scene, scene.frames[index], damage)) is not None
        ]
        if len(walk) >= 2:
            yield from self._about_walk(scene, single, counts, walk, rng)

    def _load(self, scene: Scene, frame: int, damage: Damage) -> tuple[Sized, View] | None:
        try:
            picture = read_picture(self.root, scene.picture_path(frame), self.name)
            view = scene.view(frame, picture.width, picture.height)
        except Damaged as error:
            damage.skip(f"{scene.name} frame {frame} ({error})", error.reason)
            return None
        return None if view is None else (picture, view)

    def _about_view(self, scene: Scene, single: Sequence[Thing], picture: Sized, view: View, rng: np.random.Generator) -> Iterator[Sample]:
        seen = [thing for thing in single if view.shown[thing.number] >= SEEN]
        if len(seen) < 2:
            return
        one, two = (seen[index] for index in rng.choice(len(seen), 2, replace=False))
        camera = np.linalg.inv(view.pose)

        def place(thing: Thing) -> np.ndarray:
            return camera[:3, :3] @ thing.position + camera[:3, 3]

        turns: list[tuple[str, str, str]] = []
        apart = one.distance(two)
        if apart >= 0.1:
            question = f"How far apart are the {one.label} and the {two.label}, measured between their nearest points, in metres?"
            turns.append(("distance", question, f"{apart:.1f} m"))
        size = float((one.high - one.low).max())
        turns.append(("size", f"How long is the longest side of the {one.label}, in centimetres?", f"{size * 100:.0f} cm"))
        eye = view.pose[:3, 3]
        far = [float(np.sqrt(((thing.points - eye) ** 2).sum(1)).min()) for thing in (one, two)]
        if abs(far[0] - far[1]) >= NEARER_M:
            nearer = one if far[0] < far[1] else two
            turns.append(("nearer", f"Which is nearer to the camera, the {one.label} or the {two.label}?", nearer.label))
        sides = [
            float(point[0] / point[2]) * scene.intrinsics[0, 0] / picture.width for point in (place(one), place(two)) if point[2] > 0.1
        ]
        if len(sides) == 2 and abs(sides[0] - sides[1]) >= LEFT:
            turns.append(("left_right", f"Is the {one.label} to the left of the {two.label}?", "yes" if sides[0] < sides[1] else "no"))
        for family, question, answer in turns:
            yield self.sample(f"view{view.frame}.{family}", [picture], [(question, answer)], "spatial", family)

    def _about_walk(
        self, scene: Scene, single: Sequence[Thing], counts: Counter, walk: Sequence[tuple[Sized, View]], rng: np.random.Generator
    ) -> Iterator[Sample]:
        pictures, views = [picture for picture, _ in walk], [view for _, view in walk]
        asked: list[tuple[str, str, str]] = []
        many = [label for label in sorted(counts) if 2 <= counts[label] <= 9 and self._all_shown(scene, label, views)]
        for label in rng.permutation(many)[: self.questions]:
            asked.append(("count", f"How many of these are in the room: {label}? Answer with a number.", str(counts[str(label)])))
        asked += self._orders(single, views, rng)
        asked += self._directions(single, views, rng)
        for number, (family, question, answer) in enumerate(asked):
            yield self.sample(f"walk{number}.{family}", pictures, [(question, answer)], "spatial", family)

    @staticmethod
    def _all_shown(scene: Scene, label: str, views: Sequence[View]) -> bool:
        return all(max(view.shown[thing.number] for view in views) >= SEEN for thing in scene.things if thing.label == label)

    def _orders(self, single: Sequence[Thing], views: Sequence[View], rng: np.random.Generator) -> list[tuple[str, str, str]]:
        """Three things in the order in which the pictures first show them; each clearly unseen before."""
        first: dict[int, list[Thing]] = {}
        for thing in single:
            shown = [view.shown[thing.number] for view in views]
            place = next((index for index, fraction in enumerate(shown) if fraction >= SEEN), None)
            if place is not None and all(fraction < UNSEEN for fraction in shown[:place]):
                first.setdefault(place, []).append(thing)
        if len(first) < 3:
            return []
        found = []
        for _ in range(self.questions):
            places = sorted(rng.choice(sorted(first), 3, replace=False))
            things = [first[place][rng.integers(len(first[place]))] for place in places]
            listed = ", ".join(things[index].label for index in rng.permutation(3))
            found.append(
                (
                    "appearance_order",
                    f"In which order do these first appear in the pictures: {listed}?",
                    ", ".join(thing.label for thing in things),
                )
            )
        return list(dict.fromkeys(found))

    def _directions(self, single: Sequence[Thing], views: Sequence[View], rng: np.random.Generator) -> list[tuple[str, str, str]]:
        seen = [thing for thing in single if max(view.shown[thing.number] for view in views) >= SEEN]
        found: list[tuple[str, str, str]] = []
        triples = (
            list(permutations(range(len(seen)), 3))
            if len(seen) <= 12
            else [tuple(rng.choice(len(seen), 3, replace=False)) for _ in range(200)]
        )
        for index in rng.permutation(len(triples)):
            stand, face, target = (seen[place] for place in triples[index])
            answer = direction(stand.position, face.position, target.position)
            if answer is not None:
                question = f"Standing at the {stand.label} and facing the {face.label}, where is the {target.label}: in front, left, right or behind?"
                found.append(("relative_direction", question, answer))
            if len(found) == self.questions:
                break
        return found


def direction(stand: np.ndarray, face: np.ndarray, target: np.ndarray) -> str | None:
    """`in front`, `left`, `right` or `behind`, seen from above (z up); None where it is near a boundary or too close to tell."""
    ahead, aside = (face - stand)[:2], (target - stand)[:2]
    if np.linalg.norm(ahead) < FAR_ENOUGH_M or np.linalg.norm(aside) < FAR_ENOUGH_M:
        return None
    angle = float(np.degrees(np.arctan2(ahead[0] * aside[1] - ahead[1] * aside[0], ahead @ aside)))
    for middle, name in ((0.0, "in front"), (90.0, "left"), (-90.0, "right"), (180.0, "behind"), (-180.0, "behind")):
        if abs(angle - middle) <= 45.0 - TURN_DEG / 2:
            return name
    return None
