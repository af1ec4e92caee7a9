"""A recording's frames as the truths that questions are asked about."""

from __future__ import annotations

import dataclasses

import numpy as np

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.segmentation import region, shows, visible_fraction
from vlaser_core.data.states.phases import phase_of
from vlaser_core.data.states.recording import ATTEMPT, FIRST, ON_NOTHING, ON_SURFACE, TOP, Recording
from vlaser_core.data.states.things import Things
from vlaser_core.data.truth import BACKGROUND, ROBOT, SURFACE, ObjectTruth, PixelMap, Point, SceneTruth
from vlaser_core.geometry import matrix_from_quaternion


class Scenes:
    """The truths of one recording. Raises Damaged for a thing that has no words."""

    def __init__(self, recording: Recording, things: Things) -> None:
        self._recording = recording
        about = recording.about
        words = {name: things.words(about.simulator, about.task, name) for name in about.things}
        self._words = {name: said for name, said in words.items() if not said.ignored}
        # A task about a thing that is no thing to a person (the plane in a sink) is not asked about.
        self._task = bool(about.source) and {about.source, about.target} <= set(self._words)

    def truth(self, frame: int) -> SceneTruth:
        """What is exactly known of a frame's picture. Raises Damaged where the recording does not say how much of a thing shows."""
        recording, about = self._recording, self._recording.about
        shown = recording.shown[frame]
        objects = tuple(self._object(frame, about.things.index(name), shown) for name in self._words)
        names = (BACKGROUND, SURFACE, ROBOT, "scenery", *about.things)
        scene = SceneTruth(
            objects=objects,
            success=bool(recording.success[frame]),
            reach=about.reach,
            surface=about.surface,
            pixels=PixelMap.of(shown, names),
            unlabelled=not about.complete or len(objects) < len(about.things),
        )
        if about.arms == 1:
            scene = self._with_gripper(scene, frame)
        return self._with_task(scene, frame) if self._task else scene

    def _with_gripper(self, scene: SceneTruth, frame: int) -> SceneTruth:
        grip = self._recording.grippers[frame, 0]
        surface = self._recording.about.surface_height
        return dataclasses.replace(
            scene,
            gripper_point=self._project(frame, grip[:3]),
            gripper_position=_rounded(grip[:3]),
            gripper_height_mm=None if surface is None else round(1000 * (float(grip[2]) - surface)),
            openness=round(float(grip[7]), 4),
        )

    def _with_task(self, scene: SceneTruth, frame: int) -> SceneTruth:
        recording, about = self._recording, self._recording.about
        source, target = scene.object(about.source), scene.object(about.target)
        number = about.things.index(source.name)
        grip = recording.grippers[frame, self._nearest_arm(frame, np.array(source.position))]
        underside = recording.poses[:, number, 2] - recording.extents[:, number, 2] / 2
        risen = float(underside[frame] - underside.min())
        release = None
        if source.size is not None and target.size is not None:
            over = (target.size[2] + source.size[2]) / 2
            release = self._project(frame, np.array(target.position) + (0.0, 0.0, over))
        return dataclasses.replace(
            scene,
            task=about.task,
            instruction=about.instruction,
            source=source.name,
            target=target.name,
            grasp_point=source.grasp_point,
            release_point=release,
            phase=phase_of(source, target, grip[:3], float(grip[7]), risen, scene.success),
            attempt=ATTEMPT[int(recording.attempt[frame])],
        )

    def _nearest_arm(self, frame: int, place: np.ndarray) -> int:
        return int(np.argmin(np.linalg.norm(self._recording.grippers[frame, :, :3] - place, axis=1)))

    def _object(self, frame: int, number: int, shown: np.ndarray) -> ObjectTruth:
        recording, name = self._recording, self._recording.about.things[number]
        words, pose, extents = self._words[name], recording.poses[frame, number], recording.extents[frame, number]
        value = FIRST + number
        box, point = region(shown, value)
        grasp = self._project(frame, pose[:3]) if words.hold else None
        if grasp is not None and not shows(shown, grasp, value):
            grasp = None  # something is before it
        held = number in recording.held[frame]
        below = int(recording.support[frame, number])
        support = "" if held or below == ON_NOTHING else SURFACE if below == ON_SURFACE else recording.about.things[below]

        def alone() -> int:
            count = int(recording.alone[frame, number])
            if count < 0:
                raise Damaged("how much of a thing shows is not recorded", f"{name} in frame {frame}")
            return count

        heading = matrix_from_quaternion(pose[3:])[:2, 0]
        return ObjectTruth(
            name=name,
            phrases=words.phrases,
            colour=words.colour,
            box=box,
            point=point,
            visible_fraction=visible_fraction(shown, value, TOP, alone),
            position=_rounded(pose[:3]),
            yaw=round(float(np.arctan2(heading[1], heading[0])), 5),
            held=held,
            kind=words.kind,
            size=_rounded(extents) if extents.all() else None,
            grasp_point=grasp,
            camera_distance=round(float(np.linalg.norm(self._in_camera(frame, pose[:3]))), 5),
            support=support,
        )

    def _in_camera(self, frame: int, place: np.ndarray) -> np.ndarray:
        camera = self._recording.camera[frame]
        return camera[:3, :3] @ place + camera[:3, 3]

    def _project(self, frame: int, place: np.ndarray) -> Point | None:
        """Thousandths of the picture; None outside of it."""
        x, y, depth = self._recording.intrinsics @ self._in_camera(frame, place)
        height, width = self._recording.shown.shape[1:]
        if depth <= 0 or not (0 <= x < width * depth and 0 <= y < height * depth):
            return None
        return round(1000 * x / depth / width), round(1000 * y / depth / height)


def _rounded(place: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (round(float(value), 5) for value in place)
    return x, y, z
