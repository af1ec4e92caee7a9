"""An evaluation's folder: what it is (`manifest.json`), every episode as it ends (`episodes.jsonl`), the summary (`summary.json`).

Written so that a kill at any moment loses the running episodes alone: lines are appended and synced, the rest is replaced whole.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

from vlaser_core.errors import ConfigError

VOLATILE = ("created", "command", "workers", "films")  # may differ when an evaluation is taken up again


class Results:
    """Opens or takes up the evaluation that `manifest` describes. Raises ConfigError when the folder holds another one."""

    def __init__(self, folder: Path, manifest: dict) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._rows, self._lock = folder / "episodes.jsonl", threading.Lock()
        told = folder / "manifest.json"
        if told.is_file():
            self.manifest = _read(told)
            different = [key for key in sorted({*manifest, *self.manifest}) if key not in VOLATILE and manifest.get(key) != self.manifest.get(key)]
            if different:
                raise ConfigError(f"{folder} holds another evaluation ({', '.join(different)} differ): choose another --out, or take that one up as it was begun")
        elif self._rows.exists():
            raise ConfigError(f"{self._rows} has no manifest.json beside it: nobody can say what was evaluated; choose another --out")
        else:
            self.manifest = manifest
            write_whole(told, manifest)

    def rows(self) -> list[dict]:
        """What is done, one an episode. A line that was cut off is removed. Raises ConfigError for one that is no outcome."""
        if not self._rows.is_file():
            return []
        content = self._rows.read_bytes()
        if content and not content.endswith(b"\n"):
            content = content[: content.rfind(b"\n") + 1]
            with self._rows.open("r+b") as file:
                file.truncate(len(content))
        rows: dict[str, dict] = {}
        for number, line in enumerate(content.splitlines(), 1):
            try:
                row = json.loads(line)
                rows.setdefault(row["name"], row)
                bool(row["success"]), bool(row["success_any"]), str(row["task"])
            except (ValueError, KeyError, TypeError) as error:
                raise ConfigError(f"line {number} of {self._rows} is no outcome of an episode: {error}") from error
        return list(rows.values())

    def add(self, row: dict) -> None:
        """Keep an outcome, for good once this returns. For several threads."""
        line = json.dumps(row).encode() + b"\n"
        with self._lock, self._rows.open("ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())


def write_whole(path: Path, content: dict) -> None:
    """JSON that is there completely or not at all."""
    beside = path.with_suffix(".partial")
    with beside.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _read(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return dict(content)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
