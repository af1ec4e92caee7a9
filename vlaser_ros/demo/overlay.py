"""One frame of the film: the camera's picture enlarged, what was found and where the arm means to go, and a caption."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from vlaser_core.reasoning.draw import BLUE, DARK, GREEN, ORANGE, WHITE, draw_grounding, draw_path
from vlaser_ros.demo.playback import Moment
from vlaser_ros.demo.settings import Episode

ENLARGE = 3
PANEL = 108  # pixels of the caption under the picture; with 240 × 3 rows the height stays even, as H.264 asks
GREY = (150, 156, 168)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True)
class Caption:
    """title: the instruction. left: small text. right: status, in its colour. progress: 0…1."""

    title: str
    left: str
    right: str = ""
    colour: tuple[int, int, int] = WHITE
    progress: float = 0.0


def _write(canvas: np.ndarray, text: str, x: int, y: int, size: float, colour: tuple[int, int, int], *, from_right: bool = False) -> None:
    text = text.encode("ascii", "replace").decode()
    thick = 2 if size > 0.7 else 1
    if from_right:
        x -= cv2.getTextSize(text, _FONT, size, thick)[0][0]
    cv2.putText(canvas, text, (x, y), _FONT, size, colour, thick, cv2.LINE_AA)


def captioned(picture: np.ndarray, caption: Caption) -> np.ndarray:
    """RGB uint8 (3h + 108, 3w, 3): the picture above a caption. `picture` may be enlarged already."""
    canvas = np.empty((picture.shape[0] + PANEL, picture.shape[1], 3), np.uint8)
    canvas[: picture.shape[0]] = picture
    panel = canvas[picture.shape[0] :]
    panel[:] = DARK
    width = canvas.shape[1]
    cv2.rectangle(panel, (0, 0), (width, 5), (44, 48, 56), -1)
    cv2.rectangle(panel, (0, 0), (round(width * min(1.0, caption.progress)), 5), BLUE, -1)
    _write(panel, caption.title, 18, 48, 0.9, WHITE)
    _write(panel, caption.left, 18, 86, 0.58, GREY)
    _write(panel, caption.right, width - 18, 48, 0.8, caption.colour, from_right=True)
    return canvas


def enlarged(moment: Moment) -> np.ndarray:
    """The picture three times as large, with the newest grounding and the newest chunk's path."""
    picture = cv2.resize(moment.picture, None, fx=ENLARGE, fy=ENLARGE, interpolation=cv2.INTER_CUBIC)
    if moment.grounding is not None:
        draw_grounding(picture, moment.grounding, GREEN)
    if moment.path is not None:
        draw_path(picture, moment.path * ENLARGE, ORANGE)
    return picture


def frame(moment: Moment, episode: Episode) -> np.ndarray:
    """The film's frame of a moment of an episode."""
    if moment.index == 0:
        left = f"{episode.task}   planning"
    else:
        gripper = "open" if (moment.openness or 0.0) > 0.5 else "closed"
        left = f"{episode.task}   chunk {moment.index}/{episode.max_chunks}   inference {1000 * (moment.inference_s or 0.0):.0f} ms   gripper {gripper}"
        if moment.index <= len(episode.age_s):
            left += f"   view {1000 * episode.age_s[moment.index - 1]:.0f} ms old"
    right, colour = ("success", GREEN) if moment.success else ("running", ORANGE)
    return captioned(enlarged(moment), Caption(episode.instruction, left, right, colour, moment.index / episode.max_chunks))


def title_card(first: Moment, episode: Episode, number: int, total: int) -> np.ndarray:
    """The scene dimmed, with the instruction and the plan over it."""
    picture = cv2.resize(first.picture, None, fx=ENLARGE, fy=ENLARGE, interpolation=cv2.INTER_CUBIC)
    picture = (cv2.GaussianBlur(picture, (0, 0), 7) * 0.3).astype(np.uint8)
    _write(picture, f"task {number} of {total}", 60, 110, 0.8, GREY)
    _write(picture, episode.instruction, 60, 165, 1.3, WHITE)
    for line, step in enumerate(episode.plan[:9]):
        _write(picture, f"{line + 1}. {step}", 60, 235 + 44 * line, 0.8, WHITE)
    return captioned(picture, Caption(episode.instruction, f"{episode.task}   scene {episode.seed}   the model's own plan", "", WHITE, 0.0))


def end_card(last: Moment, episode: Episode) -> np.ndarray:
    """The last frame with the verdict."""
    right, colour = ("success", GREEN) if episode.success else ("not reached", ORANGE)
    left = f"{episode.task}   {episode.chunks} chunks in {episode.ended - episode.began:.0f} s"
    return captioned(enlarged(last), Caption(episode.instruction, episode.error or left, right, colour, 1.0))
