"""The one schema of training text: a picture (or several, or none), a conversation, and where it came from.

One record a line of JSONL; an error names the file, the line and the field. Grounding in the answers is integers
0…1000 and is checked: a record with a box outside the picture is refused, not repaired.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from vlaser_core.errors import InputError
from vlaser_core.reasoning.parse import parse_boxes, parse_points
from vlaser_core.reasoning.prompts import IMAGE_PLACEHOLDER

CATEGORIES = ("grounding", "qa", "spatial", "planning", "simulation")
SPLITS = ("train", "validation", "test")
_PLACE = re.compile(rf"(?:(?:Image|Frame)-\d+: )?{IMAGE_PLACEHOLDER}\s*")


@dataclass(frozen=True)
class Message:
    """One turn. sender is `from` in the file: human, gpt, or system (first only)."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)
    sender: Literal["human", "gpt", "system"]
    value: str


@dataclass(frozen=True)
class Record:
    """images: paths relative to the file's folder, forward slashes; width, height: pixels of the first, 0 without any.

    category: one of CATEGORIES. family: the question family within it. source: the data set or simulator.
    domain: the robot or scene the picture shows. licence: SPDX identifier or name. provenance: how the answer came
    about (simulator state, human, a model's name), so that exact labels and guesses can be told apart.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)
    id: str
    images: tuple[str, ...]
    width: int
    height: int
    conversations: tuple[Message, ...]
    category: Literal["grounding", "qa", "spatial", "planning", "simulation"]
    family: str
    source: str
    domain: str
    split: Literal["train", "validation", "test"]
    licence: str
    provenance: str

    def __post_init__(self) -> None:
        for name, allowed in (("category", CATEGORIES), ("split", SPLITS)):
            if getattr(self, name) not in allowed:
                raise InputError(f"{name}: {getattr(self, name)!r} is not one of {', '.join(allowed)}")
        for name in ("id", "family", "source", "domain", "licence", "provenance"):
            if not getattr(self, name).strip():
                raise InputError(f"{name}: is empty; state it")
        for image in self.images:
            path = PurePosixPath(image)
            if not image or path.is_absolute() or ".." in path.parts or "\\" in image:
                raise InputError(f"images: {image!r} is not a relative path below the record file's folder")
        if (self.width > 0 and self.height > 0) != bool(self.images) or min(self.width, self.height) < 0:
            raise InputError(f"width, height: {self.width} × {self.height} does not fit {len(self.images)} images (0 × 0 without any)")
        self._check_conversation()

    def _check_conversation(self) -> None:
        turns = self.conversations[1:] if self.conversations and self.conversations[0].sender == "system" else self.conversations
        senders = [message.sender for message in turns]
        if not senders or len(senders) % 2 or senders != ["human", "gpt"] * (len(senders) // 2):
            raise InputError(f"conversations: after an optional system message, human and gpt alternate and gpt is last; got {senders}")
        placeholders = sum(message.value.count(IMAGE_PLACEHOLDER) for message in self.conversations)
        if placeholders not in (0, len(self.images)):
            raise InputError(f"conversations: {placeholders} {IMAGE_PLACEHOLDER} placeholders for {len(self.images)} images")
        for index, message in enumerate(self.conversations):
            if not message.value.strip():
                raise InputError(f"conversations.{index}.value: is empty")
            if message.sender == "gpt" and ("<box>" in message.value or "<point>" in message.value):
                malformed = parse_boxes(message.value)[1]
                if malformed or not (parse_boxes(message.value)[0] or parse_points(message.value)[0]):
                    rule = "grounding is integers 0…1000 with x1 < x2, y1 < y2"
                    raise InputError(f"conversations.{index}.value: {rule}; got {message.value[:120]!r}")

    def turns(self) -> list[tuple[str, str]]:
        """Questions, without the pictures' places, and answers."""
        messages = [message for message in self.conversations if message.sender != "system"]
        asked = (_PLACE.sub("", message.value).strip() for message in messages[::2])
        return list(zip(asked, (message.value.strip() for message in messages[1::2]), strict=True))

    def to_json(self) -> dict:
        """The file's form: `image` is a string for one picture and a list for several, senders are called `from`."""
        plain: dict = {"id": self.id}
        if self.images:
            plain["image"] = self.images[0] if len(self.images) == 1 else list(self.images)
        plain |= {"width": self.width, "height": self.height}
        plain["conversations"] = [{"from": message.sender, "value": message.value} for message in self.conversations]
        return plain | {name: getattr(self, name) for name in ("category", "family", "source", "domain", "split", "licence", "provenance")}


_ADAPTER = TypeAdapter(Record)


def record_from_json(plain: object, where: str = "record") -> Record:
    """A record of its file form. Raises InputError that begins with `where` and names the field."""
    if not isinstance(plain, dict):
        raise InputError(f"{where}: expected an object, got {type(plain).__name__}")
    content = dict(plain)
    image = content.pop("image", [])
    content["images"] = [image] if isinstance(image, str) else image
    messages = content.get("conversations")
    if isinstance(messages, list) and all(isinstance(message, dict) for message in messages):
        content["conversations"] = [{("sender" if key == "from" else key): value for key, value in message.items()} for message in messages]
    try:
        # Strict JSON mode: lists become tuples, but "320" does not become 320.
        return _ADAPTER.validate_json(json.dumps(content))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'record'}: {fault['msg']}" for fault in error.errors())
        raise InputError(f"{where}: {faults}") from error
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def write_jsonl(path: Path, records: Iterable[Record]) -> int:
    """Write records, one a line; returns how many. Raises InputError for an id that occurs twice."""
    seen: set[str] = set()
    with path.open("w", encoding="utf-8") as file:
        for record in records:
            if record.id in seen:
                raise InputError(f"{path}: id {record.id!r} occurs twice; ids are unique in a file")
            seen.add(record.id)
            file.write(json.dumps(record.to_json(), ensure_ascii=False) + "\n")
    return len(seen)


def read_jsonl(path: Path) -> Iterator[Record]:
    """Records of a file, in order. Raises InputError naming the file, the line and the field."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            where = f"{path}:{number}"
            if not line.strip():
                raise InputError(f"{where}: empty line; one record a line")
            try:
                plain = json.loads(line)
            except json.JSONDecodeError as error:
                raise InputError(f"{where}: not JSON: {error.msg} at column {error.colno}") from error
            yield record_from_json(plain, where)
