"""What a run says while it goes: a bar, `<label>.jsonl`, and the same numbers for TensorBoard below `tensorboard/<label>/`."""

from __future__ import annotations

import json
import os
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vlaser_core.errors import VlaserError

_COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"), TimeRemainingColumn())


class RunLog:
    """Entries by step; those behind `done`, of a run that was killed after its last save, are taken back first.

    Only the process that `writes` leaves anything.
    """

    def __init__(self, out: Path, label: str, done: int, total: int, writes: bool) -> None:
        self.path, self.label, self.done, self.total, self.writes = out / f"{label}.jsonl", label, done, total, writes
        self._folder = out / "tensorboard" / label

    def __enter__(self) -> RunLog:
        self._bar = Progress(*_COLUMNS, refresh_per_second=1, disable=not self.writes, console=Console(stderr=True))
        self._line = self._bar.add_task(self.label, total=self.total, completed=self.done, note="")
        if self.writes:
            from torch.utils.tensorboard import SummaryWriter  # here, because it takes longer than everything else to load

            try:
                self._take_back()
                self._file = self.path.open("a", encoding="utf-8")
                self._board = SummaryWriter(str(self._folder), purge_step=self.done + 1 if self.done else None)
            except OSError as error:
                raise VlaserError(f"cannot write the log {self.path}: {error.strerror}") from error
        self._bar.start()
        return self

    def __exit__(self, *_) -> None:
        self._bar.stop()
        if self.writes:
            self._file.close()
            try:
                self._board.close()
            except OSError:
                pass  # a full disk has been told of by then

    def _take_back(self) -> None:
        if not self.path.exists():
            return
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= self.done]
        if kept != lines:
            partial = self.path.with_suffix(".part")
            partial.write_text("".join(kept), encoding="utf-8")
            os.replace(partial, self.path)

    def progress(self, step: int) -> None:
        self._bar.update(self._line, completed=step)

    def entry(self, values: dict[str, float]) -> None:
        """values: `step` and whatever was measured there. Raises VlaserError where it cannot be written."""
        if not self.writes:
            return
        try:
            self._file.write(json.dumps(values) + "\n")
            self._file.flush()
            for name, value in values.items():
                if name != "step" and isinstance(value, (int, float)):
                    self._board.add_scalar(name, value, values["step"])
            self._board.flush()
        except OSError as error:
            raise VlaserError(f"cannot write the log {self.path}: {error.strerror}. Make room and run the same command again") from error
        if "loss" in values:
            self._bar.update(self._line, note=f"loss {values['loss']:.4f}")
