"""Which key of a client's message is which camera, which are the state, which is the instruction.

    keys = default_keys(policy.embodiment)          # observation/image, observation/state, prompt; see `Keys`
    keys = load_keys(Path("droid.yaml"), policy.embodiment)
    keys.require(policy.cameras)

Nested messages are read with their keys joined by `/`: `{"images": {"cam_high": …}}` is `images/cam_high`. What is missing, unknown or of
another shape is refused by name; nothing is filled in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydantic import ConfigDict

from vlaser_core.embodiment import Embodiment, read_yaml, validate
from vlaser_core.errors import ConfigError, InputError
from vlaser_core.types import Observation

SEED, RESET = "seed", "reset"
MAX_DEPTH = 4  # of nested messages


@dataclass(frozen=True)
class Keys:
    """cameras: key → camera of the contract. state: keys whose values make up the proprioception, one after the other.
    ignore: keys that may be there and are not looked at."""

    __pydantic_config__ = ConfigDict(extra="forbid")
    cameras: Mapping[str, str]
    state: tuple[str, ...] = ("observation/state",)
    prompt: str = "prompt"
    ignore: tuple[str, ...] = ()
    default_prompt: str | None = field(default=None, kw_only=True)  # for a client that sends none

    @property
    def known(self) -> tuple[str, ...]:
        return (*self.cameras, *self.state, self.prompt)

    def require(self, cameras: Sequence[str]) -> None:
        """Raises ConfigError unless each of these cameras has a key."""
        without = [name for name in cameras if name not in self.cameras.values()]
        if without:
            raise ConfigError(f"no key stands for camera {without[0]!r}, which the policy looks through; the keys have {sorted(self.cameras.values())}")


@dataclass(frozen=True)
class Request:
    """What a client asks for: a chunk for this view. seed: of the noise, None for any."""

    observation: Observation
    instruction: str
    seed: int | None


def default_keys(embodiment: Embodiment, default_prompt: str | None = None) -> Keys:
    """openpi's usual names: `observation/image` is the contract's first camera, the others are `observation/<name>`."""
    first, *others = (camera.name for camera in embodiment.cameras)
    return Keys({"observation/image": first, **{f"observation/{name}": name for name in others}}, default_prompt=default_prompt)


def load_keys(path: Path, embodiment: Embodiment, default_prompt: str | None = None) -> Keys:
    """The keys of a YAML file with `cameras`, and optionally `state`, `prompt` and `ignore`. Raises ConfigError."""
    content = read_yaml(path)
    keys = validate(Keys, {"default_prompt": default_prompt, **content}, str(path))
    for key, name in keys.cameras.items():
        embodiment.camera(name)
        if list(keys.cameras.values()).count(name) > 1:
            raise ConfigError(f"{path}: two keys stand for camera {name!r}, one of them {key!r}")
    named = [*keys.known, *keys.ignore, SEED, RESET]
    double = sorted({key for key in named if named.count(key) > 1})
    if double or not keys.state:
        raise ConfigError(f"{path}: {'the state has no key' if not keys.state else f'{double} stand for more than one thing'}")
    return keys


def request_of(message: object, keys: Keys, embodiment: Embodiment, cameras: Sequence[str], stamp: float) -> Request:
    """The view and instruction in a client's message. cameras: whose pictures must be there; those of the contract's others may be.
    stamp: seconds, when it came. Raises InputError naming the key that is wrong."""
    found = flattened(message)
    unknown = sorted(set(found) - set(keys.known) - set(keys.ignore) - {SEED})
    if unknown:
        raise InputError(f"unknown keys {', '.join(map(repr, unknown[:8]))}; this policy is asked with {', '.join(keys.known)} and optionally {SEED}")
    for key, name in keys.cameras.items():
        if name in cameras and key not in found:
            raise InputError(f"missing {key!r}, the picture of camera {name!r}; the message has {sorted(found)}")
    images = {name: picture(found[key], key) for key, name in keys.cameras.items() if key in found}
    return Request(Observation(images, _state(found, keys, embodiment), stamp), _instruction(found, keys), seed_of(found.get(SEED)))


def flattened(message: object) -> dict[str, object]:
    """`a/b` → value of a nested message. Raises InputError for another kind of message."""
    flat: dict[str, object] = {}

    def walk(part: Mapping, prefix: str, depth: int) -> None:
        for key, value in part.items():
            if not isinstance(key, str) or depth > MAX_DEPTH:
                raise InputError(f"keys are text and at most {MAX_DEPTH} deep, got {key!r:.60} under {prefix or 'the message'!r}")
            if isinstance(value, Mapping):
                walk(value, f"{prefix}{key}/", depth + 1)
            elif f"{prefix}{key}" in flat:
                raise InputError(f"key '{prefix}{key}' is there twice")
            else:
                flat[f"{prefix}{key}"] = value

    if not isinstance(message, Mapping):
        raise InputError(f"a message is a map of keys to values, got {type(message).__name__}")
    walk(message, "", 1)
    return flat


def picture(value: object, key: str) -> np.ndarray:
    """RGB uint8 (height, width, 3). Floats within 0…1 are scaled by 255 and (3, height, width) is turned, as openpi's policies do;
    anything else is refused. Any size is taken: the policy sees the whole picture stretched to a square, so it must not be padded."""
    if not isinstance(value, np.ndarray) or value.ndim != 3 or 3 not in (value.shape[0], value.shape[2]):
        got = f"shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
        raise InputError(f"{key!r} must be one RGB picture (height, width, 3), got {got}")
    if value.shape[2] != 3:
        value = value.transpose(1, 2, 0)
    if value.dtype.kind == "f":
        if not (np.isfinite(value).all() and value.min(initial=0.0) >= 0.0 and value.max(initial=0.0) <= 1.0):
            raise InputError(f"{key!r} has floats outside 0…1; send uint8 0…255, e.g. by openpi_client.image_tools.convert_to_uint8")
        return (255 * value).astype(np.uint8)
    if value.dtype != np.uint8:
        raise InputError(f"{key!r} must be uint8 0…255 or floats 0…1, got {value.dtype}")
    return np.ascontiguousarray(value)


def text(value: object, key: str) -> str:
    """A string that came as one, or as an array of one. Raises InputError."""
    if isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind == "U":
        value = value.item()
    if not isinstance(value, str):
        raise InputError(f"{key!r} must be text, got {type(value).__name__}")
    return str(value)


def numbers(value: object, key: str) -> np.ndarray:
    """Finite numbers (n,) that came as one number, a list or an array of one dimension. Raises InputError."""
    if isinstance(value, list):
        plain = all(isinstance(one, (int, float, np.number)) and not isinstance(one, bool) for one in value)
        value = np.array(value, dtype=float) if plain else None
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or array.ndim > 1 or not np.isfinite(array).all():
        raise InputError(f"{key!r} must be finite numbers in one dimension, got {array.dtype} {array.shape}")
    return array.astype(float).reshape(-1)


def _state(found: Mapping[str, object], keys: Keys, embodiment: Embodiment) -> np.ndarray:
    missing = [key for key in keys.state if key not in found]
    if missing:
        raise InputError(f"missing {', '.join(map(repr, missing))}, the state {embodiment.proprio.names}; the message has {sorted(found)}")
    state = np.concatenate([numbers(found[key], key) for key in keys.state])
    if state.shape != (embodiment.proprio_dim,):
        names = ", ".join(embodiment.proprio.names)
        raise InputError(f"{' and '.join(map(repr, keys.state))} must be {embodiment.proprio_dim} values ({names}), got {state.size}")
    return state


def _instruction(found: Mapping[str, object], keys: Keys) -> str:
    if keys.prompt in found:
        return text(found[keys.prompt], keys.prompt)
    if keys.default_prompt is None:
        raise InputError(f"missing {keys.prompt!r}, the instruction; the message has {sorted(found)}")
    return keys.default_prompt


def seed_of(value: object) -> int | None:
    """A seed that came as a whole number, or None. Raises InputError."""
    if isinstance(value, np.integer):
        value = int(value)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63):
        raise InputError(f"{SEED!r} must be a whole number of at least 0, got {value!r:.60}")
    return value
