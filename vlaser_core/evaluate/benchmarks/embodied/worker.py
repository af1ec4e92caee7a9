"""The simulator's side: run by the Python that has EmbodiedBench, as a script; imports nothing of this project.

    python worker.py --checkout DIR        # embodiedbench's checkout; JSON lines on standard input and output
    python worker.py --stand-in            # a household of three rooms without a simulator, for tests and fixtures

Requests: {"do": "open", "environment": "alfred"|"habitat", "eval_set": NAME, "resolution": 500}, {"do": "reset", "episode": N},
{"do": "step", "action": ID}, {"do": "close"}. Each is answered by one line with "ok": true, or "error". Pictures are PNG in base64. What the
simulator prints goes to standard error.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import sys


def encoded(pixels) -> str:
    """RGB uint8 (height, width, 3) as PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


class Alfred:
    """embodiedbench.envs.eb_alfred, as its own evaluator drives it."""

    def __init__(self, eval_set: str, resolution: int) -> None:
        from embodiedbench.envs.eb_alfred.EBAlfEnv import EBAlfEnv

        self._env = EBAlfEnv(eval_set=eval_set, exp_name="vlaser", resolution=resolution)
        self.episodes = int(self._env.number_of_episodes)

    def reset(self, episode: int) -> dict:
        self._env._current_episode_num = episode
        seen = self._env.reset()
        return {"instruction": self._env.episode_language_instruction, "actions": list(self._env.language_skill_set), "picture": encoded(seen["head_rgb"])}

    def step(self, action: int) -> dict:
        seen, _, done, info = self._env.step(action)
        return outcome(encoded(seen["head_rgb"]), done, info)

    def close(self) -> None:
        self._env.close()


class Habitat:
    """embodiedbench.envs.eb_habitat: its episodes come one after the other, so an earlier one needs a new environment."""

    def __init__(self, eval_set: str, resolution: int) -> None:
        self._settings, self._env, self._next = (eval_set, resolution), None, 0
        self._open()

    def _open(self) -> None:
        from embodiedbench.envs.eb_habitat.EBHabEnv import EBHabEnv

        if self._env is not None:
            self._env.close()
        self._env, self._next = EBHabEnv(eval_set=self._settings[0], exp_name="vlaser", resolution=self._settings[1], recording=False), 0
        self.episodes = int(self._env.number_of_episodes)

    def reset(self, episode: int) -> dict:
        if episode < self._next:
            self._open()
        while self._next <= episode:
            seen = self._env.reset()
            self._next += 1
        return {"instruction": self._env.episode_language_instruction, "actions": list(self._env.language_skill_set), "picture": self._picture(seen)}

    def step(self, action: int) -> dict:
        seen, _, done, info = self._env.step(action)
        return outcome(self._picture(seen), done, info)

    @staticmethod
    def _picture(seen) -> str:
        from embodiedbench.envs.eb_habitat.utils import observations_to_image

        return encoded(observations_to_image(seen, "head_rgb"))

    def close(self) -> None:
        self._env.close()


def outcome(picture: str, done: bool, info: dict) -> dict:
    return {
        "picture": picture,
        "done": bool(done),
        "success": float(info["task_success"]),
        "progress": float(info["task_progress"]),
        "valid": bool(info["last_action_success"]),
        "feedback": str(info["env_feedback"]),
    }


class StandIn:
    """Bring a thing to a place: six places, four things, one of them in hand at most. Episode N asks for thing N mod 4."""

    PLACES = ("Sofa", "DiningTable", "Fridge", "Shelf", "Sink", "Bed")
    THINGS = ("Apple", "Mug", "Book", "Spoon")

    def __init__(self, eval_set: str, resolution: int) -> None:
        self.episodes, self._set, self._size = 4, eval_set, min(resolution, 120)
        names = self.PLACES + self.THINGS
        self.actions = [*(f"find a {name}" for name in names), *(f"pick up the {name}" for name in self.THINGS), "put down the object in hand"]

    def reset(self, episode: int) -> dict:
        self._thing, self._goal = self.THINGS[episode % 4], self.PLACES[(episode + 1) % 6]
        self._where = {thing: self.PLACES[(place + 3) % 6] for place, thing in enumerate(self.THINGS)}
        self._at, self._hand, self._steps, self._invalid = "", "", 0, 0
        return {"instruction": f"Bring the {self._thing} to the {self._goal}.", "actions": self.actions, "picture": self._picture()}

    def step(self, action: int) -> dict:
        name = self.actions[action]
        message = self._do(name)
        self._steps += 1
        self._invalid += message != ""
        success = self._where.get(self._thing) == self._goal
        return {
            "picture": self._picture(),
            "done": success or self._steps >= 30 or self._invalid >= 10,
            "success": float(success),
            "progress": 1.0 if success else 0.5 if self._hand == self._thing else 0.0,
            "valid": not message,
            "feedback": f"Last action is invalid. {message}" if message else "Last action executed successfully.",
        }

    def _do(self, name: str) -> str:
        """Why the action is not possible; empty when it was done."""
        if name.startswith("find"):
            wanted = name.split()[-1]
            self._at = self._where.get(wanted, wanted)
            return ""
        if name.startswith("pick"):
            wanted = name.split()[-1]
            if self._hand:
                return f"Robot is holding the {self._hand}."
            if self._where.get(wanted) != self._at:
                return f"{wanted} is not near."
            self._hand, self._where[wanted] = wanted, ""
            return ""
        if not self._hand:
            return "Robot is not holding anything."
        if not self._at:
            return "No receptacle is near."
        self._where[self._hand], self._hand = self._at, ""
        return ""

    def _picture(self) -> str:
        """A block for each place, with a small one for each thing in it; the place one stands at is bright."""
        import numpy as np

        pixels = np.full((self._size, self._size, 3), 40, np.uint8)
        side = self._size // 3
        for number, place in enumerate(self.PLACES):
            x, y = number % 3 * side, number // 3 * side
            pixels[y + 2 : y + side - 2, x + 2 : x + side - 2] = 200 if place == self._at else 110
            for thing, colour in zip(self.THINGS, ((220, 60, 50), (60, 120, 230), (230, 200, 60), (60, 190, 110))):
                if self._where.get(thing) == place:
                    at = 5 + 8 * self.THINGS.index(thing)
                    pixels[y + at : y + at + 7, x + at : x + at + 7] = colour
        return encoded(pixels)

    def close(self) -> None:
        pass


def main() -> None:
    reading = argparse.ArgumentParser()
    reading.add_argument("--checkout")
    reading.add_argument("--stand-in", action="store_true")
    options = reading.parse_args()
    # The simulators print; what they print must not stand between the lines of the protocol.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    if options.checkout:
        sys.path.insert(0, options.checkout)
        os.chdir(options.checkout)
    world = None
    for line in sys.stdin:
        try:
            request = json.loads(line)
            if request["do"] == "close":
                break
            if request["do"] == "open":
                kind = StandIn if options.stand_in else {"alfred": Alfred, "habitat": Habitat}[request["environment"]]
                world = kind(request["eval_set"], int(request["resolution"]))
                answer = {"episodes": world.episodes}
            elif request["do"] == "reset":
                answer = world.reset(int(request["episode"]))
            else:
                answer = world.step(int(request["action"]))
            answer["ok"] = True
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in a simulator is told, and the host decides
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    if world is not None:
        world.close()


if __name__ == "__main__":
    main()
