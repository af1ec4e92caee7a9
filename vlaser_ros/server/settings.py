"""The server's parameters: what configure reads, and what may change while it runs."""

from __future__ import annotations

from dataclasses import dataclass

from vlaser_ros.parameters import parameter

DONE_QUESTION = "Is the task done: {instruction}?"  # as the model was trained to be asked
REJECT, PREEMPT = "reject", "preempt"
AUTO, RELIABLE, BEST_EFFORT = "auto", "reliable", "best_effort"


def _question(text: str) -> str | None:
    try:
        filled = text.format(instruction="\0")
    except (IndexError, KeyError, ValueError) as error:
        return f"is {text!r}, in which only {{instruction}} can be filled in ({type(error).__name__}: {error})"
    return None if "\0" in filled else f"is {text!r}, expected the words {{instruction}} in it"


def _three(numbers: list[float]) -> str | None:
    return None if len(numbers) == 3 else f"has {len(numbers)} numbers, expected x, y, z"


@dataclass(frozen=True)
class Setup:
    """Read by configure."""

    engine: str = parameter("vlaser", "vlaser: the model; stand_in: a straight-line policy without weights, for tests", choices=("vlaser", "stand_in"))
    checkpoint: str = parameter("", "checkpoint folder; empty: the small one that ships with the project")
    device: str = parameter("cpu", "torch device, e.g. cpu or cuda")
    dtype: str = parameter("float32", "torch dtype of the weights, e.g. float32 or bfloat16")
    threads: int = parameter(1, "CPU threads of the model", low=1, high=1024)
    embodiment: str = parameter("", "contract that the checkpoint must be for; empty: the checkpoint's (stand_in: widowx)")
    image_topics: list[str] = parameter([""], "one a camera, in the contract's order; compressed where the name ends so; empty: camera/<name>/image_raw")
    image_reliability: str = parameter(
        AUTO, "of the image subscriptions; auto: reliable, and best effort where the camera offers no more", choices=(AUTO, RELIABLE, BEST_EFFORT)
    )
    sync_tolerance: float = parameter(0.05, "s between the cameras of one view", low=0.0)
    joint_states_tolerance: float = parameter(0.06, "s, gap between joint states that is interpolated", low=0.001)
    proprio_topic: str = parameter(
        "", "where the robot states its proprioception itself, as a JointState that names the contract's dimensions; empty: it follows from joint_states"
    )
    stand_in_delay: float = parameter(0.05, "s a call of the stand-in takes", low=0.0, high=60.0)
    stand_in_target: list[float] = parameter([0.25, 0.0, 0.2], "m, base frame: where the stand-in moves the grasp point", check=_three)
    stand_in_stride: float = parameter(0.02, "m a step of the stand-in is long at most", low=0.0)


@dataclass(frozen=True)
class Settings:
    """Live: a goal keeps those it began with, the next one reads them again. Durations in s."""

    goal_policy: str = parameter(REJECT, "what a goal meets while another runs; reject: BUSY; preempt: takes its place", choices=(REJECT, PREEMPT))
    default_timeout: float = parameter(60.0, "s, for goals without a timeout", low=0.1)
    observation_timeout: float = parameter(2.0, "s to wait for a view, or for the picture a question is about", low=0.05)
    controller_timeout: float = parameter(5.0, "s of wall clock a goal waits for a controller that takes chunks and answers, before its first chunk", low=0.05)
    verdict_timeout: float = parameter(1.0, "s of wall clock to wait for the controller's verdict on a chunk", low=0.05)
    inference_timeout: float = parameter(30.0, "s of wall clock one chunk may take; the goal then fails and the arm holds", low=0.05, high=3600.0)
    text_timeout: float = parameter(300.0, "s of wall clock an answer in words may take", low=0.05, high=3600.0)
    end_tolerance: float = parameter(0.01, "s before a chunk's end that the next view may be taken", low=0.0)
    max_rejections: int = parameter(3, "rejected chunks in a row that end a goal", low=1, high=1000)
    done_check_every: int = parameter(5, "chunks between two questions whether the task is done", low=1, high=1000000)
    done_question: str = parameter(DONE_QUESTION, "question for stop_when_done; {instruction} is filled in", check=_question)
    max_observation_age: float = parameter(0.0, "s, oldest view to act on; 0: the contract's", low=0.0)
    camera_warn_age: float = parameter(0.5, "s without an image from which /diagnostics warns", low=0.0)
    camera_error_age: float = parameter(2.0, "s without an image from which /diagnostics reports an error", low=0.0)
    joints_warn_age: float = parameter(0.1, "s without a joint state from which /diagnostics warns", low=0.0)
    joints_error_age: float = parameter(0.5, "s without a joint state from which /diagnostics reports an error", low=0.0)
    annotate: bool = parameter(True, "publish what was seen, drawn, while somebody subscribes")
