"""What the server saw, what it found there and where it means to go, drawn for people.

Boxes, points and answers appear with their request, a chunk's path with the controller's verdict: green where the
gripper is open, orange where it is closed, red for a chunk that was refused, blue for one that was only asked for.
Nothing is drawn while nobody subscribes, and never between a picture and its chunk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from threading import Lock

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from std_msgs.msg import Header
from vlaser_msgs.msg import ActionChunk, ChunkVerdict

from vlaser_core.embodiment import Camera, Embodiment
from vlaser_core.processing.path import grasp_path, grasp_points_of_proprio, openness_of
from vlaser_core.projection import project, uncalibrated
from vlaser_core.reasoning.draw import BLUE, GREEN, ORANGE, RED, Colour, check_canvas, draw_grounding, draw_label, draw_path, enlarged
from vlaser_core.reasoning.types import Grounding
from vlaser_ros.diagnostics import OK, WARN, status
from vlaser_ros.images import to_compressed
from vlaser_ros.messages import proposal
from vlaser_ros.server.views import View

SMALLEST = 480  # pixels; what is not as high is shown enlarged, so that words and lines can be read
REMEMBERED = 2.5  # s a finding is shown on later pictures of its camera; by then the thing may have been carried on


Paths = Callable[[tuple[int, int]], list[tuple[np.ndarray, list[Colour]]]]


def chosen_camera(robot: Embodiment, names: Iterable[str]) -> Camera:
    """The camera to draw on: the first of `names` that a path can be projected into, else the first."""
    cameras = [robot.camera(name) for name in names]
    return next((camera for camera in cameras if not uncalibrated(camera)), cameras[0])


class Annotator:
    """Draws on the topic of `publisher` while somebody subscribes. Thread-safe.

    wanted: whether that is switched on. complain: told, once a kind, why something could not be drawn. clock: s.
    """

    def __init__(self, publisher, wanted: Callable[[], bool], complain: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._publisher, self._wanted, self._complain, self._clock = publisher, wanted, complain, clock
        self._lock = Lock()
        self._found: dict[str, tuple[float, tuple[Grounding, ...]]] = {}
        self._pictures, self._spent, self._fault = 0, 0.0, ""

    def said(self, image: np.ndarray, header: Header, asked: str, found: Sequence[Grounding] = (), answer: str = "") -> None:
        """What was asked, what was found and what was answered. image: RGB uint8 (h, w, 3)."""
        if self._looked_at():
            with self._lock:
                self._found[header.frame_id] = (self._clock(), tuple(found))
            self._draw(image, header, asked, answer)

    def decided(self, robot: Embodiment, view: View, chunk: ActionChunk, verdict: ChunkVerdict | None, instruction: str) -> None:
        """A chunk and what became of it. verdict: None for one that is not to be executed."""
        if not self._looked_at():
            return
        camera = chosen_camera(robot, view.observation.images)
        image, header = view.observation.images[camera.name], view.headers[camera.name]
        outcome = "not executed" if verdict is None else "accepted" if verdict.accepted else f"refused: {verdict.reason}"
        self._draw(image, header, instruction, outcome, lambda size: self._paths(robot, camera, view, chunk, verdict, size))

    def _paths(
        self, robot: Embodiment, camera: Camera, view: View, chunk: ActionChunk, verdict: ChunkVerdict | None, size: tuple[int, int]
    ) -> list[tuple[np.ndarray, list[Colour]]]:
        """Pixels (h + 1, 2) of each arm's path in a picture of that width and height, with their colours; none where the
        camera cannot project."""
        if uncalibrated(camera):
            return []
        asked = proposal(chunk)
        actions = asked.actions[: asked.executed_steps]
        path = grasp_path(robot, grasp_points_of_proprio(robot, view.observation.proprio), actions)
        paths = []
        for arm, openness in enumerate(openness_of(robot, actions).T):
            grip = [GREEN if value > 0.5 else ORANGE for value in openness]
            one = BLUE if verdict is None else None if verdict.accepted else RED
            colours = [one or colour for colour in (grip[0], *grip)]
            with np.errstate(over="ignore", invalid="ignore"):  # a chunk may be refused for being beyond all numbers
                paths.append((project(camera, path[:, arm], *size), colours))
        return paths

    def status(self, name: str, hardware_id: str, robot: Embodiment) -> DiagnosticStatus:
        """Whether somebody looks, what is drawn, and why no path is."""
        camera = chosen_camera(robot, [camera.name for camera in robot.cameras])
        lack, lookers = uncalibrated(camera), self._publisher.get_subscription_count()
        trouble = self._fault or (f"no path is drawn: {lack}" if lack else "")
        words = trouble or ("drawn" if self._wanted() else "switched off: annotate is false")
        values = {"camera": camera.name, "lookers": lookers, "pictures": self._pictures, "drawing_s": self._spent}
        return status(f"{name}: annotated picture", WARN if trouble and lookers else OK, words, hardware_id=hardware_id, **values)

    def _looked_at(self) -> bool:
        return self._wanted() and self._publisher.get_subscription_count() > 0

    def _draw(self, image: np.ndarray, header: Header, above: str, below: str, paths: Paths = lambda _size: []) -> None:
        began = time.perf_counter()
        with self._lock:
            since, found = self._found.get(header.frame_id, (0.0, ()))
        try:
            canvas = enlarged(image, -(-SMALLEST // check_canvas(image).shape[0]))
            for grounding in found if self._clock() - since < REMEMBERED else ():
                draw_grounding(canvas, grounding)
            for pixels, colours in paths((canvas.shape[1], canvas.shape[0])):
                draw_path(canvas, pixels, colours)
            for text, row in ((above, 0), (below, canvas.shape[0])):
                if text.strip():
                    draw_label(canvas, " ".join(text.split()), 0, row)
            self._publisher.publish(to_compressed(canvas, header=header))
        except Exception as error:  # what is only looked at must not end a goal; it is told instead
            fault = f"a picture could not be drawn: {type(error).__name__}: {error}"
            if fault != self._fault:
                self._complain(fault)
            self._fault = fault
        else:
            self._pictures, self._spent, self._fault = self._pictures + 1, time.perf_counter() - began, ""
