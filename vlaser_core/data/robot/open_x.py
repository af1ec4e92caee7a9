"""Open X-Embodiment's Bridge and Fractal in the form that Vlaser's policies are trained on.

Bridge (`bridge_dataset`, the BridgeData V2 release in RLDS): the gripper command is made binary backwards in time, the
motion is replaced by the difference of reached states, the last step goes. Proprio = state: xyz (m), rpy (rad), openness.
Fractal (`fractal20220817_data`): action = world vector (m), rotation delta (rad), and the relative gripper command made
absolute. Proprio = tool pose reached (xyz, quaternion xyzw) and closedness.

The published statistics take Bridge's angles as plain differences, which jump by 2π where an angle passes ±π;
`wrap_angles` takes the short way round instead.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.robot.episode import Episode, decode_picture
from vlaser_core.data.robot.rlds import Leaf, RldsEpisode, Shard, find_version, read_features, read_shard, read_shards
from vlaser_core.data.source import Damage, Unit
from vlaser_core.errors import InputError

_OPEN, _CLOSED = 0.95, 0.05
_RELATIVE = 0.1
DELTAS = ("dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper")


def binary_gripper(commands: np.ndarray) -> np.ndarray:
    """Openness commands (T,) as 0 or 1: a value between 0.05 and 0.95 takes the state that is reached after it.

    A tail that never decides keeps the last raw value.
    """
    result, state = np.empty(len(commands)), commands[-1]
    for step in reversed(range(len(commands))):
        if commands[step] > _OPEN:
            state = 1.0
        elif commands[step] < _CLOSED:
            state = 0.0
        result[step] = state
    return result


def absolute_gripper(commands: np.ndarray) -> np.ndarray:
    """Relative commands (T,), + close and − open beyond ±0.1, as absolute openness 0 or 1.

    Before the first command the gripper is taken to be in the state which that command leaves; open where there is none.
    """
    signs = np.where(commands < -_RELATIVE, 1, np.where(commands > _RELATIVE, -1, 0))
    given = np.flatnonzero(signs)
    state = -signs[given[0]] if len(given) else 1
    result = np.empty(len(commands))
    for step, sign in enumerate(signs):
        state = sign or state
        result[step] = (state + 1) / 2
    return result


def state_differences(states: np.ndarray, wrap_angles: bool = False) -> np.ndarray:
    """Motions (T-1, 6) between reached states (T, ≥6) = xyz, rpy. wrap_angles: angles the short way round, within ±π."""
    motion = np.diff(states[:, :6], axis=0)
    if wrap_angles:
        motion[:, 3:] = (motion[:, 3:] + np.pi) % (2 * np.pi) - np.pi
    return motion


class _OpenX:
    """What both have in common: shards as units, episodes one by one, pictures decoded when asked for."""

    name: str
    folder: str
    licence: str
    get: str
    needs: tuple[str, ...]

    def __init__(self, root: Path, split: str | None = None) -> None:
        """root: the folder that holds `<data set>/<version>/`. split: train, val, …; all by default."""
        self.root, self.split = Path(root), split
        self._layout: tuple[dict[str, Leaf], dict[str, Shard]] | None = None

    def _read_layout(self) -> tuple[dict[str, Leaf], dict[str, Shard]]:
        if self._layout is None:
            folder = find_version(self.root, self.folder, self.get)
            shards = [shard for shard in read_shards(folder) if self.split in (None, shard.split)]
            leaves = read_features(folder)
            missing = [name for name in self.needs if f"steps/{name}" not in leaves]
            if missing:
                raise InputError(
                    f"{folder / 'features.json'} has no steps/{', steps/'.join(missing)}: this is not {self.folder}; {self.get}"
                )
            self._layout = leaves, {f"{shard.split}-{index:05d}": shard for index, shard in enumerate(shards)}
        return self._layout

    def units(self) -> Sequence[Unit]:
        """One unit a shard."""
        return [Unit(self.name, key, shard.episodes) for key, shard in self._read_layout()[1].items()]

    def episodes(self, unit: Unit, damage: Damage, only: Collection[str] | None = None) -> Iterator[Episode]:
        leaves, shards = self._read_layout()
        numbers = None if only is None else {int(key.rpartition("-")[2]) for key in only}
        for number, record in read_shard(shards[unit.key], leaves, numbers):
            where = f"{self.name} {unit.key}-{number:05d}"
            try:
                if isinstance(record, Damaged):
                    raise record
                yield self._episode(f"{unit.key}-{number:05d}", record)
            except Damaged as error:
                damage.skip(f"{where} ({error})", error.reason)

    def _episode(self, key: str, record: RldsEpisode) -> Episode:
        raise NotImplementedError

    def _same_length(self, **parts: Sequence) -> None:
        lengths = {name: len(part) for name, part in parts.items()}
        if len(set(lengths.values())) != 1:
            raise Damaged("features differ in length", str(lengths))


def _text(values: list[bytes]) -> tuple[str, ...]:
    text = values[0].decode("utf-8", errors="replace").strip() if values else ""
    return (text,) if text else ()


def _pictures(values: list[bytes], where: str, steps: Sequence[int]) -> Iterator[np.ndarray]:
    for step in steps:
        yield decode_picture(values[step], f"{where} step {step}")


class Bridge(_OpenX):
    """BridgeData V2 in RLDS, `bridge_dataset`; camera views an episode lacks are stored as black pictures and left out."""

    name = "bridge"
    folder = "bridge_dataset"
    licence = "CC-BY-4.0"
    get = "download https://rail.eecs.berkeley.edu/datasets/bridge_release/data/tfds/bridge_dataset/ and give the folder that holds bridge_dataset/1.0.0/"
    needs = ("observation/state", "action", "language_instruction", "observation/image_0")
    rate_hz = 5.0
    proprio_names = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")

    def __init__(self, root: Path, split: str | None = None, wrap_angles: bool = False) -> None:
        super().__init__(root, split)
        self.wrap_angles = wrap_angles

    def _episode(self, key: str, record: RldsEpisode) -> Episode:
        states, actions = record.array("steps/observation/state"), record.array("steps/action")
        texts = record.strings("steps/language_instruction")
        cameras = {}
        for index in range(4):
            name = f"image_{index}"
            absent = f"episode_metadata/has_{name}"
            if record.has(f"steps/observation/{name}") and not (record.has(absent) and not record.array(absent).any()):
                cameras[name] = record.strings(f"steps/observation/{name}")
        self._same_length(state=states, action=actions, text=texts, **cameras)
        if len(states) < 2:
            raise Damaged("too short", f"{len(states)} steps leave no motion")
        grip = binary_gripper(actions[:, 6])[:-1]
        return Episode(
            id=key,
            data_set=self.name,
            instructions=_text(texts),
            proprio=states[:-1],
            actions=np.column_stack([state_differences(states, self.wrap_angles), grip]),
            proprio_names=self.proprio_names,
            action_names=DELTAS,
            rate_hz=self.rate_hz,
            cameras={name: partial(_pictures, values, f"{key} {name}") for name, values in cameras.items()},
        )


class Fractal(_OpenX):
    """RT-1's data, `fractal20220817_data`, at 3 Hz."""

    name = "fractal"
    folder = "fractal20220817_data"
    licence = "CC-BY-4.0"
    get = "copy gs://gresearch/robotics/fractal20220817_data/0.1.0 with gsutil and give the folder that holds fractal20220817_data/0.1.0/"
    needs = (
        "action/world_vector", "action/rotation_delta", "action/gripper_closedness_action", "observation/base_pose_tool_reached",
        "observation/gripper_closed", "observation/image", "observation/natural_language_instruction",
    )  # fmt: skip
    rate_hz = 3.0
    proprio_names = ("x", "y", "z", "qx", "qy", "qz", "qw", "gripper_closed")

    def _episode(self, key: str, record: RldsEpisode) -> Episode:
        vector, rotation = record.array("steps/action/world_vector"), record.array("steps/action/rotation_delta")
        grip = record.array("steps/action/gripper_closedness_action").reshape(-1)
        tool = record.array("steps/observation/base_pose_tool_reached")
        closed = record.array("steps/observation/gripper_closed").reshape(-1)
        pictures = record.strings("steps/observation/image")
        texts = record.strings("steps/observation/natural_language_instruction")
        self._same_length(vector=vector, rotation=rotation, grip=grip, tool=tool, closed=closed, pictures=pictures, texts=texts)
        if not len(vector):
            raise Damaged("too short", "no step at all")
        return Episode(
            id=key,
            data_set=self.name,
            instructions=_text(texts),
            proprio=np.column_stack([tool, closed]),
            actions=np.column_stack([vector, rotation, absolute_gripper(grip)]),
            proprio_names=self.proprio_names,
            action_names=DELTAS,
            rate_hz=self.rate_hz,
            cameras={"image": partial(_pictures, pictures, f"{key} image")},
        )
