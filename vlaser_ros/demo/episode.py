"""One episode of the demo: a fresh scene, a plan, where the target is, then the goal with the target kept in view."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from std_msgs.msg import Header
from vlaser_msgs.action import Execute

from sim_bridge.tabletop.tasks import find_task
from vlaser_core.embodiment import Embodiment
from vlaser_core.reasoning.types import Grounding
from vlaser_ros.bags.recorder import Recorder
from vlaser_ros.client import Refused, VlaserClient
from vlaser_ros.demo.settings import Episode
from vlaser_ros.messages import grounding_message, to_time

GROUNDING_TOPIC = "/vlaser/demo/grounding"
FRESH_VIEW = 0.4  # s after a reset until the newest frame surely shows the new scene (the camera runs at 10 Hz)
SETTLE = 1.0  # s after the last chunk before success is read: what was released comes to rest
LOOK_EVERY = 1.0  # s between two looks for the target while the arm moves


class Runner:
    """Runs episodes against a ready stack. progress is called whenever there is something new to show."""

    def __init__(self, client: VlaserClient, recorder: Recorder, embodiment: Embodiment, progress: Callable[[], None], check: Callable[[], None]) -> None:
        self.client, self.recorder, self.embodiment = client, recorder, embodiment
        self.progress, self.check = progress, check

    def plan_episode(self, task: str, seed: int) -> Episode:
        """An episode that has not begun; as many chunks as the task's steps allow."""
        return Episode(task, seed, math.ceil(find_task(task).max_steps / self.embodiment.action.horizon))

    def run(self, episode: Episode) -> None:
        """Fill `episode`. Raises NotReady when a process does not answer, and whatever `check` raises."""
        self._say(episode, "new scene")
        episode.instruction = self.client.reset_world(episode.task, episode.seed)
        self.client.world_state()
        time.sleep(FRESH_VIEW)
        episode.began = time.time()
        self._say(episode, "planning")
        self._plan(episode)
        self._say(episode, f"looking for the {episode.target}")
        found = self._look(episode)
        episode.grounded = found.text if found is not None else ""
        self._execute(episode)
        self._say(episode, "settling")
        time.sleep(SETTLE)
        episode.success = bool(self.client.world_state().success)
        episode.ended = time.time()
        self._say(episode, "done")

    def _say(self, episode: Episode, state: str) -> None:
        episode.state = state
        self.progress()
        self.check()

    def _plan(self, episode: Episode) -> None:
        targets: list[str] = []
        try:
            plan = self.client.plan(episode.instruction)
        except Refused as error:
            episode.plan_text = f"refused: {error}"
        else:
            episode.plan, episode.plan_text = tuple(step.text for step in plan.steps), plan.text
            targets = [step.target for step in plan.steps if step.target]
        # A model that names no target still has to be asked about something: what the task is about.
        episode.target = targets[0] if targets else find_task(episode.task).source.replace("_", " ")

    def _look(self, episode: Episode) -> Grounding | None:
        try:
            found = self.client.ground(episode.target)
        except Refused:
            return None
        self.recorder.write(GROUNDING_TOPIC, grounding_message(found, Header(stamp=to_time(time.time()), frame_id=self.embodiment.cameras[0].frame_id)))
        return found

    def _execute(self, episode: Episode) -> None:
        def feedback(message: Execute.Feedback) -> None:
            episode.inference_s.append(message.inference_time)
            episode.age_s.append(message.observation_age)
            episode.rejected += not message.verdict.accepted
            episode.state = message.status
            self.progress()

        dt = self.embodiment.action.dt * self.embodiment.action.horizon
        # Twice the motion's own time: the rest is inference and waiting for the next frame.
        self.client.send(episode.instruction, feedback=feedback, max_chunks=episode.max_chunks, timeout=2 * dt * episode.max_chunks + 10, seed=episode.seed)
        outcome: list[Execute.Result | Exception] = []

        def wait() -> None:
            try:
                outcome.append(self.client.result(None))
            except Exception as error:  # raised again below, where the episode runs
                outcome.append(error)

        waiter = threading.Thread(target=wait, name="demo_result", daemon=True)
        waiter.start()
        try:
            while waiter.is_alive():
                waiter.join(LOOK_EVERY)
                self.check()
                if waiter.is_alive():
                    self._look(episode)
        except BaseException:
            # Interrupted, or a process died: the arm must not go on moving while the rest is taken down.
            self.client.cancel()
            waiter.join(3.0)  # or the client would be closed under it
            raise
        result = outcome[0]
        if isinstance(result, Exception):
            raise result
        if result.error_code:
            episode.error = f"{result.error_msg} (code {result.error_code})"
