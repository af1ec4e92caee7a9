"""EgoPlan-IT: `EgoPlan_IT.json` with the frames of EPIC-KITCHENS-100 in `EPIC-KITCHENS/<P01>/rgb_frames/<P01_01>/frame_0000000001.jpg`.

Items: sample_id, video_source, video_id, task_goal, question, answer, current_observation_frame, task_progress_metadata
[{narration_text, start_frame, stop_frame}], negative_answers. Layout: ChenYi99/EgoPlan, README.md. Each item gives the
question as published and one with choices, seen through the ends of the latest actions and the present frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.source import Sample
from vlaser_core.data.sources.base import ItemSource
from vlaser_core.data.sources.pictures import read_picture

ACTIONS = 4


class EgoPlan(ItemSource):
    """What to do next to reach a goal, from first-person kitchen videos."""

    name = "egoplan"
    licence = "see ChenYi99/EgoPlan; frames under EPIC-KITCHENS-100's terms (non-commercial)"
    domain = "first-person kitchens"
    provenance = "human narration, as published"
    get = (
        "download EgoPlan_IT.json (linked from github.com/ChenYi99/EgoPlan) and the RGB frames of EPIC-KITCHENS-100, "
        "and give the folder that holds EgoPlan_IT.json and EPIC-KITCHENS/"
    )

    def files(self) -> Sequence[Path]:
        files = sorted(self.root.glob("EgoPlan_IT*.json"))
        if not files:
            raise self.missing("EgoPlan_IT.json")
        return files

    def samples(self, item: dict, key: str, path: Path, rng: np.random.Generator) -> Iterator[Sample]:
        try:
            source, video, now = item["video_source"], str(item["video_id"]), int(item["current_observation_frame"])
            done = [progress for progress in item["task_progress_metadata"] if int(progress["stop_frame"]) <= now][-ACTIONS:]
            ends = [(int(progress["start_frame"]) + int(progress["stop_frame"])) // 2 for progress in done]
            goal, question, answer = str(item["task_goal"]).strip(), str(item["question"]).strip(), str(item["answer"]).strip()
            others = [str(other).strip() for other in item.get("negative_answers", ())]
        except (KeyError, TypeError, ValueError) as error:
            raise Damaged("item is incomplete", repr(error)) from error
        # Drawn first: a missing frame must not change what the next items draw.
        pick, order = rng.random(3), rng.permutation(4)
        if source != "EpicKitchens":
            raise Damaged("video source is not supported", f"{source!r}; only EpicKitchens has frames on disk")
        if not (goal and question and answer):
            raise Damaged("item is incomplete", "an empty goal, question or answer")
        frames = [*dict.fromkeys([*(frame for frame in ends if frame < now), now])]
        folder = f"EPIC-KITCHENS/{video.split('_')[0]}/rgb_frames/{video}"
        pictures = [read_picture(self.root, f"{folder}/frame_{frame:010d}.jpg", self.name) for frame in frames]
        yield self.sample(f"{key}.open", pictures, [(question, answer)], "planning", "next_action")
        wrong = [other for other in dict.fromkeys(others) if other and other != answer]
        if len(wrong) >= 3:
            drawn = [wrong.pop(int(place * len(wrong))) for place in pick]
            choices = [[answer, *drawn][index] for index in order]
            options = "\n".join(f"{letter}. {choice}" for letter, choice in zip("ABCD", choices, strict=True))
            right = f"{'ABCD'[choices.index(answer)]}. {answer}"
            yield self.sample(f"{key}.choice", pictures, [(f"{question}\n{options}", right)], "planning", "next_action_choice")
