"""Bags as robot data to train on: the policy's observations, and the motion that the joint states show as its actions.

    data = BagEpisodes(Path("recordings"), embodiment="widowx")
    for unit in data.units():
        for episode in data.episodes(unit, damage):
            ...

A bag is cut where the instruction changes, where no view came for one and a half steps, and where the arm moved further than
the contract allows in a step (a reset scene). Pictures are read again when they are asked for.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.robot.episode import Episode
from vlaser_core.data.source import Damage, Unit
from vlaser_core.embodiment import Embodiment
from vlaser_core.embodiment import replace as changed
from vlaser_core.errors import InputError
from vlaser_core.processing.proprio import proprio_from_joints
from vlaser_ros.bags.open_loop import replace_robot
from vlaser_ros.bags.reader import STORAGE, Bag
from vlaser_ros.bags.recorded import Instructions, Motion, motion_of
from vlaser_ros.bags.scan import Scan
from vlaser_ros.bags.sources import find_sources
from vlaser_ros.bags.views import JOINTS_TOLERANCE, BagViews, Seen
from vlaser_ros.joint_history import JointsMissing

MAX_AGE = 5.0  # s: a picture that was late when it was recorded is as good to learn from
_EARLY = 0.1  # of a step that a view may come before it is due
_GAP = 1.5  # steps without a view that part two episodes
_SHORTEST = 2


@dataclasses.dataclass(frozen=True)
class _Step:
    stamp: float
    instruction: str
    proprio: np.ndarray
    action: np.ndarray


class BagEpisodes:
    """Every bag below a folder, or one bag. embodiment, images, joints: as for `find_sources`; instruction: said of bags that say none.
    robot: whose bags they have to be; read with this copy of its contract.
    """

    name = "bags"
    licence = "the recorder's own"
    get = "record some with `vlaser record` or `ros2 bag record`, and give the folder that holds them"

    def __init__(
        self,
        root: Path,
        embodiment: str = "",
        images: Mapping[str, str] | None = None,
        joints: str = "",
        instruction: str = "",
        robot: Embodiment | None = None,
    ) -> None:
        self.root, self.embodiment, self.images = Path(root), embodiment, dict(images or {})
        self.joints, self.instruction, self.robot = joints, instruction, robot

    def units(self) -> Sequence[Unit]:
        """One unit a bag."""
        bags = self._bags()
        if not bags:
            raise InputError(f"no bag (a folder with metadata.yaml, or *{', *'.join(STORAGE)}) at {self.root}: {self.get}")
        return [Unit(self.name, key) for key in bags]

    def episodes(self, unit: Unit, damage: Damage, only: Collection[str] | None = None) -> Iterator[Episode]:
        path = self._bags()[unit.key]
        try:
            with Bag(path) as bag:
                robot, cameras, runs = self._runs(bag, damage)
        except InputError as error:
            damage.skip(f"{path} ({error})", "bag cannot be used")
            return
        scan = Scan(str(path), partial(Bag, path), lambda bag, wanted: self._views(bag, wanted=wanted)[2])
        for number, run in enumerate(runs):
            if only is None or f"{unit.key}.{number:04d}" in only:
                scan.stamps.update(step.stamp for step in run)
        for number, run in enumerate(runs):
            if only is not None and f"{unit.key}.{number:04d}" not in only:
                continue
            if len(run) < _SHORTEST:
                damage.skip(f"{path}, one view at {run[0].stamp:.3f} s", "too short")
                continue
            stamps = [step.stamp for step in run]
            try:
                yield Episode(
                    id=f"{unit.key}.{number:04d}",
                    data_set=self.name,
                    instructions=(run[0].instruction,) if run[0].instruction else (),
                    proprio=np.array([step.proprio for step in run]),
                    actions=np.array([step.action for step in run]),
                    proprio_names=robot.proprio.names,
                    action_names=robot.action.names,
                    rate_hz=robot.action.rate_hz,
                    cameras={camera: partial(_pictures, scan, camera, stamps) for camera in cameras},
                    times=np.array(stamps) - stamps[0],
                )
            except Damaged as error:
                damage.skip(f"{path} from {stamps[0]:.3f} s ({error})", error.reason)

    def _bags(self) -> dict[str, Path]:
        """Key → a folder with metadata.yaml, or a single file that lies in no such folder."""
        if self.root.suffix in STORAGE or (self.root / "metadata.yaml").is_file():
            return {_key(self.root.name): self.root} if self.root.exists() else {}
        folders = {path.parent for path in self.root.rglob("metadata.yaml")}
        files = [path for path in self.root.rglob("*") if path.suffix in STORAGE and path.is_file() and path.parent not in folders]
        return {_key(str(path.relative_to(self.root))): path for path in sorted([*folders, *files])}

    def _views(self, bag: Bag, **options) -> tuple[Embodiment, list[str], BagViews]:
        sources = find_sources(bag, self.embodiment, self.images, self.joints)
        if self.robot is not None:
            sources = replace_robot(sources, self.robot)
        return sources.embodiment, list(sources.images), BagViews(bag, sources, max_age=MAX_AGE, **options)

    def _runs(self, bag: Bag, damage: Damage) -> tuple[Embodiment, list[str], list[list[_Step]]]:
        robot, cameras, views = self._views(bag)
        # The action of a step reaches one step ahead, not a whole chunk: an episode's end is as good as its beginning.
        single = changed(robot, action=dataclasses.replace(robot.action, horizon=1))
        motion = motion_of(bag, single, views.sources.joints, JOINTS_TOLERANCE)
        instructions = Instructions(bag)
        runs: list[list[_Step]] = []
        due = float("-inf")
        for seen in views:
            if seen.view.stamp < due - _EARLY * robot.action.dt:
                continue
            step = self._step(robot, motion, instructions, seen, bag, damage)
            if step is None:
                due = float("-inf")
                continue
            last = runs[-1][-1] if runs else None
            together = (
                last is not None and due > 0 and last.instruction == step.instruction and step.stamp - last.stamp <= _GAP * robot.action.dt
            )
            if together:
                runs[-1].append(step)
            else:
                runs.append([step])
            due = step.stamp + robot.action.dt
        for reason, count in views.missed.items():
            damage.counts[f"view: {reason}"] += count
        return robot, cameras, runs

    def _step(self, robot: Embodiment, motion: Motion, instructions: Instructions, seen: Seen, bag: Bag, damage: Damage) -> _Step | None:
        try:
            action = motion.chunk(seen.view.stamp)[0]
        except JointsMissing:
            return None  # the recording ends, or pauses, within the step
        except InputError as error:
            damage.skip(f"{bag.path} at {seen.view.stamp:.3f} s", str(error))
            return None
        text = self.instruction or instructions.at(seen.time)
        return _Step(seen.view.stamp, text.strip(), proprio_from_joints(robot, seen.joints, seen.openness), action)


def _pictures(scan: Scan, camera: str, stamps: Sequence[float], steps: Sequence[int]) -> Iterator[np.ndarray]:
    return scan.pictures(camera, [stamps[step] for step in steps])


def _key(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)
