"""What a demo is asked to do, and what each of its episodes came to. No ROS."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from statistics import median


@dataclass(frozen=True)
class Settings:
    """out: folder of the results. checkpoint: None is the shipped one. engine: vlaser or stand_in. tasks: empty is all.

    seed: of the first scene; the next task gets the next one. domain_id: ROS domain, None picks a free-looking one.
    """

    out: Path
    checkpoint: Path | None = None
    engine: str = "vlaser"
    tasks: tuple[str, ...] = ()
    seed: int = 0
    device: str = "cpu"
    dtype: str = "float32"
    threads: int = 1
    domain_id: int | None = None


@dataclass
class Episode:
    """One task. began, ended: wall clock in seconds, as the recording's stamps. success: None until it has ended.

    inference_s, age_s: one entry a chunk, in seconds. error: why the goal failed, empty when it did not.
    """

    task: str
    seed: int
    max_chunks: int
    instruction: str = ""
    target: str = ""
    plan: tuple[str, ...] = ()
    plan_text: str = ""
    grounded: str = ""
    began: float = 0.0
    ended: float = 0.0
    success: bool | None = None
    rejected: int = 0
    error: str = ""
    state: str = "waiting"
    inference_s: list[float] = field(default_factory=list)
    age_s: list[float] = field(default_factory=list)

    @property
    def chunks(self) -> int:
        return len(self.inference_s)

    def to_json(self) -> dict:
        """The episode's line of summary.json; times in milliseconds, null where nothing was measured."""
        milliseconds = [value * 1000 for value in self.inference_s]
        ages = [value * 1000 for value in self.age_s]
        return {
            "task": self.task,
            "seed": self.seed,
            "instruction": self.instruction,
            "success": self.success,
            "chunks": self.chunks,
            "rejected": self.rejected,
            "duration_s": round(self.ended - self.began, 2) if self.ended else None,
            "inference_ms": {"median": round(median(milliseconds), 1), "worst": round(max(milliseconds), 1)} if milliseconds else None,
            "observation_age_ms": {"median": round(median(ages), 1), "worst": round(max(ages), 1)} if ages else None,
            "plan": list(self.plan),
            "target": self.target,
            "grounding": self.grounded,
            "error": self.error,
        }
