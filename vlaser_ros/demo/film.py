"""The film of a demo, from its recording: real time, one title and one verdict a task. H.264, plays anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path

import av
import numpy as np

from vlaser_ros.demo.overlay import end_card, frame, title_card
from vlaser_ros.demo.playback import Moment
from vlaser_ros.demo.settings import Episode

TITLE = 2.0  # s
VERDICT = 1.5  # s
LONGEST_GAP = 0.5  # s between two frames: a camera that stalled does not freeze the film for long
STILLS = 6  # pictures of each task's filmstrip


@dataclass(frozen=True)
class Strip:
    """Pictures of one episode, RGB uint8, evenly spaced in time, with the chunk each one belongs to."""

    pictures: tuple[np.ndarray, ...]
    chunks: tuple[int, ...]


class Film:
    """An MP4 that is written frame by frame; playable once closed. Frames carry their own time, in milliseconds."""

    def __init__(self, file: Path, width: int, height: int) -> None:
        self._container = av.open(str(file), "w", options={"movflags": "+faststart"})
        self._stream = self._container.add_stream("libx264", rate=30, options={"crf": "22", "preset": "veryfast"})
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, 1000)
        self._stream.codec_context.thread_count = 2
        self.seconds = 0.0
        self.frames = 0

    def __enter__(self) -> Film:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def add(self, picture: np.ndarray, seconds: float) -> None:
        """Show RGB uint8 (height, width, 3) for `seconds`."""
        image = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        image.pts, image.time_base = round(self.seconds * 1000), Fraction(1, 1000)
        self._container.mux(self._stream.encode(image))
        self.seconds += seconds
        self.frames += 1


def shoot(file: Path, moments: Iterable[Moment], episodes: Sequence[Episode]) -> list[Strip]:
    """Write the film of the episodes; returns each one's filmstrip, empty for one that never began.

    No film is written when no picture belongs to any episode.
    """
    strips = [Strip((), ()) for _ in episodes]

    def owner(moment: Moment) -> int | None:
        for index, episode in enumerate(episodes):
            if episode.began and episode.began <= moment.stamp and (not episode.ended or moment.stamp <= episode.ended) and moment.task == episode.task:
                return index
        return None

    with ExitStack() as closing:
        film: Film | None = None
        # One episode's pictures at a time: a whole demo's would not fit a small machine's memory.
        for index, group in groupby(moments, key=owner):
            if index is None:
                continue
            shot = list(group)
            title = title_card(shot[0], episodes[index], index + 1, len(episodes))
            if film is None:
                film = closing.enter_context(Film(file, title.shape[1], title.shape[0]))
            film.add(title, TITLE)
            strips[index] = _shoot_episode(film, shot, episodes[index])
    return strips


def _shoot_episode(film: Film, shot: Sequence[Moment], episode: Episode) -> Strip:
    moving = [index for index, moment in enumerate(shot) if moment.index] or list(range(len(shot)))
    chosen = {moving[round(share * (len(moving) - 1))] for share in np.linspace(0.0, 1.0, STILLS)}
    stills: list[tuple[np.ndarray, int]] = []
    for index, moment in enumerate(shot):
        picture = frame(moment, episode)
        following = shot[index + 1].stamp if index + 1 < len(shot) else moment.stamp + 0.1
        film.add(picture, min(LONGEST_GAP, max(0.001, following - moment.stamp)))
        if index in chosen:
            stills.append((picture, moment.index))
    film.add(end_card(shot[-1], episode), VERDICT)
    return Strip(tuple(picture for picture, _ in stills), tuple(chunk for _, chunk in stills))
