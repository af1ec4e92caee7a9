"""Where everything of an experiment lies, and results that are there whole or not at all."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from vlaser_core.errors import InputError


@dataclass(frozen=True)
class Store:
    """Paths below the experiment's folder."""

    root: Path

    def backbone(self, initialisation: str) -> Path:
        return self.root / "backbones" / initialisation

    def policy(self, initialisation: str, seed: int, trained: str | None = None) -> Path:
        suffix = f"+{trained}" if trained else ""
        return self.root / "policies" / f"{initialisation}{suffix}" / f"seed{seed}"

    @property
    def scenes(self) -> Path:
        return self.root / "scenes"

    def result(self, job: str) -> Path:
        return self.root / "results" / f"{job}.json"

    def done(self, job: str) -> bool:
        return self.result(job).is_file()

    def write(self, job: str, content: dict) -> None:
        """Keep a job's result. It appears whole: a run that is killed meanwhile does the job again."""
        path = self.result(job)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        os.replace(partial, path)

    def read(self, job: str) -> dict:
        """A job's result. Raises InputError when it is not done, or its file is damaged."""
        try:
            return json.loads(self.result(job).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise InputError(f"{self.result(job)} is not there yet; run the experiment first") from error
        except ValueError as error:
            raise InputError(f"{self.result(job)} is damaged ({error}); delete it and run the experiment again") from error
