"""`vlaser data label | judge | clean | blocklist`: what is done to pictures and sets that are there. Options only; nothing heavy is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

LABEL_CACHE = Path("runs/labels")


@dataclass(frozen=True)
class Label:
    """Have a model write questions and answers about the pictures of a folder or a set. Stopped at any moment, the same command goes on."""

    what: Positional[Path]  # a folder of pictures, or a set
    out: Path  # folder of the new set
    writer: str  # which model, where, at what cost: a file (*.yaml), or a name below config/data/labels
    families: tuple[str, ...] = ("general", "spatial", "grounding")  # those, planning, caption, and region where boxes are known
    judge: str | None = None  # scores what was written: likewise; not judged by default
    min_score: int = 2  # lowest that is kept of what is judged
    own: bool = True  # keep a set's own records beside those that are written
    licence: str = "not stated"  # of a folder's pictures
    domain: str = "photographs"  # what a folder's pictures show
    seed: int = 0  # of which subjects are asked about
    workers: int = 0  # processes; 0 works in this one, with as many requests at once as the writer's `concurrency`
    cache: Path = LABEL_CACHE  # where answers are kept, and the account of what they cost

    def run(self) -> int:
        from vlaser_ros.commands.data_labels import label

        return label(self)


@dataclass(frozen=True)
class JudgeSet:
    """Have a model score the records of a set 1 to 3, and keep those of a certain score on."""

    folder: Positional[Path]  # a set
    out: Path  # folder of the new set; with --split of one set for each score
    judge: str  # which model: a file (*.yaml), or a name below config/data/labels
    min_score: int = 2  # lowest that is kept
    split: bool = False  # a set for each score: OUT/score1, OUT/score2, OUT/score3, and OUT/unreadable for replies without one
    written: bool = False  # only judge records that a model wrote; the others go on as they are
    workers: int = 0  # processes; 0 works in this one
    cache: Path = LABEL_CACHE  # where answers are kept, and the account of what they cost

    def run(self) -> int:
        from vlaser_ros.commands.data_labels import judge_set

        return judge_set(self)


@dataclass(frozen=True)
class Clean:
    """Leave out what cannot be right, is there twice, or belongs to a benchmark; counts by rule, also in OUT/report.json."""

    folder: Positional[Path]  # a set
    out: Path  # folder of the new set
    benchmarks: tuple[Path, ...] = ()  # lists of what must not be trained on, made by `vlaser data blocklist`
    rules: bool = True  # on texts, places and pictures of single records
    same_text: bool = True  # leave out the same words about the same picture
    near_pictures: int | None = 4  # bits of 64 in which pictures may differ to be near-duplicates; None keeps them
    exact_pictures: bool = False  # compare the pictures of records with a known truth too
    workers: int = 1  # processes; 0 works in this one, without Ray

    def run(self) -> int:
        from vlaser_ros.commands.data_clean import clean

        return clean(self)


@dataclass(frozen=True)
class Blocklist:
    """List a benchmark's pictures and questions, as digests, so that `vlaser data clean` can leave them out."""

    folder: Positional[Path]  # the benchmark as it was downloaded
    out: Path  # the list (*.json)
    name: str = ""  # of the benchmark; the folder's by default
    words: int = 10  # in a row that two questions share to be alike

    def run(self) -> int:
        from vlaser_ros.commands.data_clean import blocklist

        return blocklist(self)
