"""A suite played by one policy in several simulators at once, taken up where it was left.

    summary = evaluate(Plan(...), policies=..., progress=print)      # `vlaser eval simpler`

Every thread has a simulator process of its own; the policies of all threads may share one loaded model. A simulator that
dies or hangs is replaced and its episode begun anew, and that is counted; what cannot be finished so is named, not scored.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from sim_bridge.simpler.installation import Installation
from sim_bridge.simpler.link import SimulatorFault, SimulatorLink, SimulatorLost
from sim_bridge.simpler.results import Results, write_whole
from sim_bridge.simpler.rollout import Outcome, Policy, run_episode
from sim_bridge.simpler.suites import Episode
from sim_bridge.simpler.summary import summarise
from vlaser_core.errors import InputError, VlaserError

ATTEMPTS = 3  # at an episode before it is given up
MOST_UNFINISHED = 20  # episodes given up before all is: then it is not the episodes' fault


class Film(Protocol):
    """An opened video; see `vlaser_ros.demo.film.Film`."""

    def add(self, picture: np.ndarray, seconds: float) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Plan:
    """What to play. film: opens a video file for pictures of (width, height); None: no videos. seed: of the policy's noise."""

    suite: str
    episodes: Sequence[Episode]
    workers: int = 1
    executed_steps: int | None = None
    seed: int = 0
    film: Callable[[Path, int, int], Film] | None = None


def choose(episodes: Sequence[Episode], per_task: int | None, tasks: Sequence[str] = ()) -> list[Episode]:
    """Some of a suite's episodes: of the named tasks, and `per_task` of each, spread over what it varies.

    WidowX layouts come round every 24 episodes, so its first ones are taken. Raises InputError for unknown tasks or too many.
    """
    known = list(dict.fromkeys(episode.task for episode in episodes))
    if unknown := sorted(set(tasks) - set(known)):
        raise InputError(f"unknown tasks {', '.join(unknown)}; known: {', '.join(known)}")
    chosen = []
    for task in tasks or known:
        mine = [episode for episode in episodes if episode.task == task]
        if per_task is not None and not 1 <= per_task <= len(mine):
            raise InputError(f"{task} has {len(mine)} episodes, {per_task} were asked for")
        count = per_task or len(mine)
        repeats = mine[0].suite == "widowx"
        chosen += mine[:count] if repeats else [mine[index * len(mine) // count] for index in range(count)]
    return chosen


class Evaluation:
    """Runs a plan into a folder. first: a simulator that is already running; it is used and closed here."""

    def __init__(self, plan: Plan, installation: Installation, results: Results, policy: Callable[[], Policy], first: SimulatorLink | None = None) -> None:
        if plan.workers < 1:
            raise InputError(f"an evaluation needs at least one worker, got {plan.workers}")
        self._plan, self._installation, self._results, self._policy, self._spare = plan, installation, results, policy, first
        self._waiting: queue.SimpleQueue[Episode] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Outcome | Exception | None] = queue.SimpleQueue()
        self._unfinished: dict[str, str] = {}
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._links: set[SimulatorLink] = set()

    def run(self, progress: Callable[[dict], None] = lambda row: None) -> dict:
        """Play what is left; `progress` is told every outcome, those of earlier runs first. The summary is also written."""
        rows = self._results.rows()
        known = {row["name"] for row in rows}
        left = [episode for episode in self._plan.episodes if episode.name not in known]
        for row in rows:
            progress(row)
        # One build after the other: loading another scene costs more than an episode.
        for episode in sorted(left, key=lambda episode: (repr((episode.env_id, episode.build)), episode.number)):
            self._waiting.put(episode)
        threads = [threading.Thread(target=self._work, name=f"simulator {index}", daemon=True) for index in range(min(self._plan.workers, len(left)))]
        try:
            for thread in threads:
                thread.start()
            working = len(threads)
            while working:
                result = self._done.get()
                if result is None:
                    working -= 1
                elif isinstance(result, Exception):
                    raise result
                else:
                    row = result.to_json()
                    self._results.add(row)
                    rows.append(row)
                    progress(row)
        finally:
            self._stop.set()
            with self._lock:
                links = [*self._links, *([self._spare] if self._spare else [])]
            for link in links:
                link.close()
            for thread in threads:
                thread.join(timeout=10.0)
        summary = summarise(self._plan.suite, self._plan.episodes, rows, dict(self._unfinished))
        write_whole(self._results.folder / "summary.json", summary)
        return summary

    def _work(self) -> None:
        link: SimulatorLink | None = None
        try:
            policy = self._policy()
            while not self._stop.is_set():
                try:
                    episode = self._waiting.get_nowait()
                except queue.Empty:
                    break
                outcome, link = self._play(episode, policy, link)
                if outcome is not None:
                    self._done.put(outcome)
        except Exception as error:  # told by the thread that waits for it
            if not self._stop.is_set():
                self._done.put(error)
        finally:
            self._drop(link)
            self._done.put(None)

    def _play(self, episode: Episode, policy: Policy, link: SimulatorLink | None) -> tuple[Outcome | None, SimulatorLink | None]:
        """The outcome, or None where the episode was given up; and the simulator that is now running."""
        for attempt in range(ATTEMPTS):
            try:
                link = link or self._open()
                outcome = self._filmed(episode, policy, link) if self._plan.film else self._run(episode, policy, link)
                return replace(outcome, restarts=attempt), link
            except (SimulatorLost, SimulatorFault) as error:
                if self._stop.is_set():
                    raise
                self._drop(link)
                link, last = None, error
        with self._lock:
            self._unfinished[episode.name] = str(last)
            if len(self._unfinished) > MOST_UNFINISHED:
                raise VlaserError(f"{len(self._unfinished)} episodes could not be finished in {ATTEMPTS} attempts each; the last: {last}")
        return None, None

    def _run(self, episode: Episode, policy: Policy, link: SimulatorLink, watch: Callable[[np.ndarray], None] | None = None) -> Outcome:
        return run_episode(link, episode, policy, executed_steps=self._plan.executed_steps, seed=self._plan.seed, watch=watch)

    def _filmed(self, episode: Episode, policy: Policy, link: SimulatorLink) -> Outcome:
        """Plays and films; the file's name says how it ended, and one that was broken off is removed."""
        folder = self._results.folder / "videos"
        folder.mkdir(exist_ok=True)
        stem = episode.name.replace("/", "__")
        partial = folder / f"{stem}.partial.mp4"
        films: list[Film] = []

        def watch(picture: np.ndarray) -> None:
            if not films:
                films.append(self._plan.film(partial, picture.shape[1], picture.shape[0]))
            films[0].add(picture, policy.embodiment.action.dt)

        try:
            outcome = self._run(episode, policy, link, watch)
            films[0].close()
            partial.replace(folder / f"{stem}__{'success' if outcome.success else 'failure'}.mp4")
            return outcome
        except BaseException:
            for film in films:
                film.close()
            partial.unlink(missing_ok=True)
            raise

    def _open(self) -> SimulatorLink:
        with self._lock:
            link, self._spare = self._spare, None
        link = link or SimulatorLink(self._installation)
        with self._lock:
            self._links.add(link)
        if self._stop.is_set():
            link.close()
        return link

    def _drop(self, link: SimulatorLink | None) -> None:
        if link is not None:
            link.close()
            with self._lock:
                self._links.discard(link)
