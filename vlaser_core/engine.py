"""One loaded model, serving two callers: actions first, text in between.

    engine = Engine.load()                                   # the shipped checkpoint
    chunk = engine.predict(observation, "put carrot on plate")
    engine.ground(image, "carrot").points_px()

Text is generated token by token; between two tokens a waiting `predict` goes first, so a question never delays the arm
by more than one token (or one tile, or one part of a long prompt, while the question is being read).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from vlaser_core.checkpoint.detect import open_checkpoint
from vlaser_core.checkpoint.folder import Checkpoint, shipped_checkpoint
from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import CheckpointError, ConfigError, InputError
from vlaser_core.model.flow import Method, noise_of
from vlaser_core.processing.pixels import check_image, normalise_pixels, square
from vlaser_core.processing.tiling import chat_tiles
from vlaser_core.reasoning.generate import Prompt, generate
from vlaser_core.reasoning.prompts import chat_prompt, policy_prompt, system_text
from vlaser_core.reasoning.reasoner import Reasoner
from vlaser_core.reasoning.types import GREEDY, Answer, Grounding, Plan, Sampling
from vlaser_core.types import ActionChunk, Observation

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
MAX_INSTRUCTION = 1024  # characters; no robot instruction needs more, and longer ones would not fit the prompt


def dtype_of(name: str) -> torch.dtype:
    """The type of weights a person names. Raises ConfigError listing the known ones."""
    if name not in DTYPES:
        raise ConfigError(f"unknown dtype {name!r}; known: {', '.join(DTYPES)}")
    return DTYPES[name]


def check_device(name: str) -> None:
    """Raises ConfigError unless `name` is cpu or a CUDA device (cuda, cuda:1 …) that this machine has."""
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"unknown device {name!r}; known: cpu, cuda, cuda:1 …") from error
    if device.type == "cpu":
        return
    if device.type != "cuda":
        raise ConfigError(f"device {name!r} is not supported; known: cpu, cuda, cuda:1 …")
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not found:
        raise ConfigError(f"device {name!r} was asked for, but this machine has no CUDA device that torch can use")
    if (device.index or 0) >= found:
        raise ConfigError(f"device {name!r} was asked for, but this machine has {found} CUDA device(s), counted from 0")


class _Turnstile:
    """A lock that lets a waiting action past waiting text."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._busy = False
        self._urgent = 0

    @contextmanager
    def action(self):
        with self._condition:
            self._urgent += 1
            while self._busy:
                self._condition.wait()
            self._urgent -= 1
            self._busy = True
        try:
            yield
        finally:
            self._release()

    @contextmanager
    def text(self):
        with self._condition:
            while self._busy or self._urgent:
                self._condition.wait()
            self._busy = True
        try:
            yield
        finally:
            self._release()

    def _release(self) -> None:
        with self._condition:
            self._busy = False
            self._condition.notify_all()


class Engine:
    """A checkpoint that answers. Safe to call from several threads."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.model, self.tokenizer = checkpoint.model, checkpoint.tokenizer
        self._turnstile = _Turnstile()
        self._reasoner = Reasoner(self.model.config, self._generate)

    @classmethod
    def load(cls, checkpoint: Path | str | None = None, device: str = "cpu", dtype: str = "float32", threads: int | None = None) -> Engine:
        """Load a checkpoint folder (ours, or a published chat model, which reasons only), the shipped one by default.
        threads: CPU threads of the whole process, None leaves them.

        Raises CheckpointError, or ConfigError for an unknown dtype or an absent device.
        """
        check_device(device)
        weights = dtype_of(dtype)
        if threads:
            torch.set_num_threads(threads)
        return cls(open_checkpoint(checkpoint or shipped_checkpoint(), device=device, dtype=weights))

    @property
    def embodiment(self) -> Embodiment:
        """The robot this policy drives. Raises CheckpointError for a model that only reasons."""
        if self.checkpoint.embodiment is None:
            raise CheckpointError(f"model {self.model.config.name!r} only reasons: it has no action expert and belongs to no robot; load a policy to act")
        return self.checkpoint.embodiment

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the robot's cameras that this policy looks through."""
        return tuple(camera.name for camera in self.embodiment.cameras[: self.model.config.views])

    def predict(
        self, observation: Observation, instruction: str, *, seed: int | None = None, steps: int | None = None, method: Method = "euler"
    ) -> ActionChunk:
        """The chunk of actions for this view, in the embodiment's units, stamped with the observation's time.

        seed: of the flow's noise; the same seed gives the same chunk. steps: flow steps, the checkpoint's by default.
        method: of their integration; heun evaluates the field twice a step.
        Raises InputError for a missing camera, a wrong picture, non-finite proprioception, or an unusable instruction.
        """
        return self.predict_together([(observation, instruction, seed)], steps=steps, method=method)[0]

    def predict_together(
        self, requests: Sequence[tuple[Observation, str, int | None]], *, steps: int | None = None, method: Method = "euler"
    ) -> list[ActionChunk]:
        """A chunk for each (observation, instruction, seed), all computed at once; inference_s is what each of them waited.

        Each is, to 1e-5, the chunk that `predict` gives for it alone, and what is wrong with one raises as there.
        """
        started = time.perf_counter()
        if not requests:
            return []
        config, statistics = self.model.config, self.checkpoint.statistics
        pixels = torch.cat([self._views(observation) for observation, _, _ in requests])
        proprio = np.stack([self._proprio(observation) for observation, _, _ in requests])
        prompts = [self._ids(policy_prompt(check_instruction(text), config.image_tokens, config.views), config.max_prompt_tokens)[0] for _, text, _ in requests]
        ids = pad_sequence(prompts, batch_first=True, padding_value=self.tokenizer.pad_token_id)
        lengths = torch.tensor([len(prompt) for prompt in prompts], device=ids.device)
        mask = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
        noise = noise_of([seed for _, _, seed in requests], config.horizon, config.action_dim)
        normalised = torch.from_numpy(statistics.normalise_proprio(proprio)).to(self.model.device, self.model.dtype)
        with self._turnstile.action(), torch.inference_mode():
            prefix = self.model.prefix(ids, mask, pixels)
            actions = self.model.sample(prefix, normalised, noise.to(self.model.device, self.model.dtype), steps, method)
        actions = statistics.denormalise_actions(actions.double().cpu().numpy(), self.embodiment.action.gripper_dims)
        taken = time.perf_counter() - started
        return [ActionChunk(chunk, observation.stamp, self.embodiment.action.dt, taken) for chunk, (observation, _, _) in zip(actions, requests, strict=True)]

    def _views(self, observation: Observation) -> torch.Tensor:
        """Pictures of the policy's cameras (views, 3, S, S). Raises InputError."""
        if missing := [camera for camera in self.cameras if camera not in observation.images]:
            raise InputError(f"the policy needs camera {missing[0]!r}; the observation has {sorted(observation.images)}")
        return torch.cat([self._pixels(observation.images[camera], f"camera {camera!r}") for camera in self.cameras])

    def _proprio(self, observation: Observation) -> np.ndarray:
        proprio = np.asarray(observation.proprio, dtype=float)
        if proprio.shape != (self.embodiment.proprio_dim,) or not np.isfinite(proprio).all():
            raise InputError(f"proprioception must be {self.embodiment.proprio_dim} finite values {self.embodiment.proprio.names}, got {proprio}")
        return proprio

    def ground(self, image: np.ndarray, phrase: str, *, sampling: Sampling = GREEDY) -> Grounding:
        """Where `phrase` is in an RGB picture. Raises InputError for a wrong picture or an empty phrase."""
        return self._reasoner.ground(check_image(image), phrase, sampling)

    def plan(self, image: np.ndarray, goal: str, ground: bool = False, *, sampling: Sampling = GREEDY) -> Plan:
        """The steps to `goal`, each with its target phrase and, with `ground`, where that is."""
        return self._reasoner.plan(check_image(image), goal, ground, sampling)

    def ask(
        self, image: np.ndarray | Sequence[np.ndarray], question: str, *, sampling: Sampling = GREEDY, max_new_tokens: int = 128
    ) -> Answer:
        """The answer to a free question about a picture, or about several: `<image>` in the question says where each stands."""
        images = [image] if isinstance(image, np.ndarray) else list(image)
        if not images:
            raise InputError("a question is about at least one picture, got none")
        return self._reasoner.ask([check_image(one) for one in images], question, sampling, max_new_tokens)

    def ask_together(
        self, questions: Sequence[tuple[Sequence[np.ndarray], str]], *, max_new_tokens: int = 128, most_tiles: int | None = None
    ) -> list[tuple[str, bool] | InputError]:
        """Greedy answers to several questions (pictures, text) in one batch: the text and whether it ended by itself, or why the model cannot take it.

        Texts are put word for word, white space included. most_tiles: squares a picture is cut into at most, the model's own number by default.
        """
        system = system_text(self.model.config.chat_system)
        prompts: list[Prompt] = []
        answers: list[tuple[str, bool] | InputError] = []
        for images, text in questions:
            try:
                pictures = [check_image(image) for image in images]
                if not pictures:
                    raise InputError("a question is about at least one picture, got none")
                prompts.append(self._prompt(pictures, partial(chat_prompt, [("user", text)], system), max_new_tokens, GREEDY, most_tiles))
                answers.append(("", True))
            except InputError as error:
                answers.append(error)
        done = iter(generate(self.model, self.tokenizer, prompts, max_new_tokens, self._turnstile.text) if prompts else ())
        for place, answer in enumerate(answers):
            if not isinstance(answer, InputError):
                found = next(done)
                answers[place] = found.text, len(found.probabilities) < max_new_tokens
        return answers

    def _pixels(self, image: np.ndarray, what: str = "image") -> torch.Tensor:
        """The whole picture as one square, as the policy sees it: (1, 3, S, S)."""
        config = self.model.config
        stretched = square(check_image(image, what), config.vision.image_size, config.resample)
        return normalise_pixels(stretched[None]).to(self.model.device, self.model.dtype)

    def _tiles(self, image: np.ndarray, pictures: int, most_tiles: int | None = None) -> torch.Tensor:
        """A chat picture (N, 3, S, S): several share the tiles that one alone may have."""
        config = self.model.config
        most = min(config.max_tiles, most_tiles or config.max_tiles)
        cut = chat_tiles(image, pictures, most, config.vision.image_size, config.resample)
        return normalise_pixels(cut).to(self.model.device, self.model.dtype)

    def _ids(self, prompt: str, limit: int) -> torch.Tensor:
        ids = self.tokenizer(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]
        if ids.shape[1] > limit:
            raise InputError(f"the prompt takes {ids.shape[1]} tokens, the model reads {limit}; shorten the text")
        return ids.to(self.model.device)

    def _generate(
        self, images: Sequence[np.ndarray], prompt: Callable[[list[int]], str], max_new_tokens: int, sampling: Sampling
    ) -> tuple[str, tuple[float, ...]]:
        question = self._prompt(images, prompt, max_new_tokens, sampling)
        done = generate(self.model, self.tokenizer, [question], max_new_tokens, self._turnstile.text)[0]
        return done.text, done.probabilities

    def _prompt(
        self, images: Sequence[np.ndarray], prompt: Callable[[list[int]], str], max_new_tokens: int, sampling: Sampling, most_tiles: int | None = None
    ) -> Prompt:
        """A question as `generate` reads it. Raises InputError where it leaves no room for an answer."""
        config = self.model.config
        pixels = [self._tiles(image, len(images), most_tiles) for image in images]
        text = prompt([len(part) * config.image_tokens for part in pixels])
        ids = self._ids(text, config.text.max_positions - max_new_tokens)
        both_ways = ids.shape[1] if config.attention == "prefix" else 0
        return Prompt(ids[0], torch.cat(pixels), sampling, both_ways)


def check_instruction(instruction: str) -> str:
    """The instruction itself, if a policy can be given it. Raises InputError when empty, too long, or with control tokens."""
    if not instruction.strip():
        raise InputError("the instruction is empty")
    if len(instruction) > MAX_INSTRUCTION:
        raise InputError(f"the instruction has {len(instruction)} characters; at most {MAX_INSTRUCTION} are accepted")
    return instruction
