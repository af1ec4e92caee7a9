"""Core types ↔ vlaser_msgs, and seconds ↔ ROS time."""

from __future__ import annotations

import array
import math

import numpy as np
from builtin_interfaces.msg import Duration, Time
from std_msgs.msg import Header
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
from vlaser_msgs.msg import ActionChunk as ChunkMessage
from vlaser_msgs.msg import BoundingBox, Detection, ImagePoint
from vlaser_msgs.msg import Grounding as GroundingMessage
from vlaser_msgs.msg import PlanStep as PlanStepMessage

from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import InputError
from vlaser_core.reasoning.types import Grounding, PlanStep
from vlaser_core.types import ActionChunk, JointWaypoints
from vlaser_ros.safety.gate import Proposal


def to_seconds(time: Time | Duration) -> float:
    return time.sec + time.nanosec * 1e-9


def _split(seconds: float) -> dict[str, int]:
    nanoseconds = round(seconds * 1e9)
    return {"sec": nanoseconds // 10**9, "nanosec": nanoseconds % 10**9}


def to_time(seconds: float) -> Time:
    """ROS time of seconds since 1970. Raises InputError for what a Time cannot hold."""
    if not (math.isfinite(seconds) and 0 <= seconds < 2**31):
        raise InputError(f"{seconds} s is no ROS time")
    return Time(**_split(seconds))


def to_duration(seconds: float) -> Duration:
    return Duration(**_split(seconds))


def header(stamp: float, frame_id: str) -> Header:
    return Header(stamp=to_time(stamp), frame_id=frame_id)


def chunk_message(chunk: ActionChunk, embodiment: Embodiment, *, sequence: int, goal_id: str, executed_steps: int) -> ChunkMessage:
    """A core chunk as a message. Raises InputError when its shape is not the embodiment's."""
    actions = np.asarray(chunk.actions, dtype=float)
    if actions.ndim != 2 or actions.shape[1] != embodiment.action_dim or not 1 <= executed_steps <= len(actions):
        raise InputError(f"a chunk of shape {actions.shape} with {executed_steps} executed steps does not fit embodiment {embodiment.name!r}")
    return ChunkMessage(
        header=header(chunk.stamp, embodiment.action.frame),
        goal_id=goal_id,
        sequence=sequence,
        embodiment=embodiment.name,
        dt=float(chunk.dt),
        names=list(embodiment.action.names),
        horizon=len(actions),
        data=array.array("d", actions.ravel()),
        executed_steps=executed_steps,
        inference_time=float(chunk.inference_s),
    )


def hold_message(embodiment: Embodiment, *, stamp: float, sequence: int, goal_id: str) -> ChunkMessage:
    """The empty chunk that means: no motion left, hold now."""
    return ChunkMessage(
        header=header(stamp, embodiment.action.frame),
        goal_id=goal_id,
        sequence=sequence,
        embodiment=embodiment.name,
        dt=embodiment.action.dt,
        names=list(embodiment.action.names),
    )


def proposal(message: ChunkMessage) -> Proposal:
    """What the gate judges. Raises InputError when the data do not fill horizon × names."""
    count = message.horizon * len(message.names)
    if len(message.data) != count or count == 0:
        raise InputError(f"chunk data holds {len(message.data)} numbers, horizon {message.horizon} × {len(message.names)} names takes {count}")
    actions = np.array(message.data, dtype=float).reshape(message.horizon, len(message.names))
    return Proposal(
        sequence=message.sequence,
        embodiment=message.embodiment,
        names=tuple(message.names),
        actions=actions,
        stamp=to_seconds(message.header.stamp),
        dt=message.dt,
        executed_steps=message.executed_steps,
    )


def core_chunk(message: ChunkMessage) -> ActionChunk:
    """The core chunk a message carries. Raises InputError as `proposal` does."""
    asked = proposal(message)
    return ActionChunk(asked.actions, asked.stamp, asked.dt, message.inference_time)


def joint_trajectory(embodiment: Embodiment, waypoints: JointWaypoints, first: int = 0) -> JointTrajectory:
    """Arm joints and grippers of the waypoints from `first` on; stamped with the chunk's time, waypoint i at (i + 1) · dt."""
    grippers = [arm.gripper for arm in embodiment.arms]
    message = JointTrajectory(header=header(waypoints.stamp, embodiment.base_frame))
    message.joint_names = [*embodiment.joint_names, *(gripper.joint for gripper in grippers)]
    for step in range(first, len(waypoints.positions)):
        joints, openness = waypoints.positions[step], waypoints.openness[step]
        fingers = [gripper.position(float(value)) for gripper, value in zip(grippers, openness, strict=True)]
        message.points.append(
            JointTrajectoryPoint(positions=array.array("d", [*joints, *fingers]), time_from_start=to_duration((step + 1) * waypoints.dt))
        )
    return message


def grounding_message(grounding: Grounding, image_header: Header) -> GroundingMessage:
    message = GroundingMessage(header=image_header, phrase=grounding.phrase, width=grounding.width, height=grounding.height, text=grounding.text)
    message.malformed = list(grounding.malformed)
    scores = grounding.scores or (math.nan,) * len(grounding.labels)
    regions = [*grounding.boxes, *grounding.points]
    for region, label, score in zip(regions, grounding.labels, scores, strict=True):
        detection = Detection(label=label, score=float(score))
        if len(region) == 4:
            x1, y1, x2, y2 = region
            detection.kind = Detection.BOX
            detection.box = _box(region, grounding.width, grounding.height)
            detection.point = _point((round((x1 + x2) / 2), round((y1 + y2) / 2)), grounding.width, grounding.height)
        else:
            detection.kind = Detection.POINT
            detection.point = _point(region, grounding.width, grounding.height)
        message.detections.append(detection)
    return message


def core_grounding(message: GroundingMessage) -> Grounding:
    """The core grounding a message carries: boxes first, then points, as it was made."""
    boxes = [d for d in message.detections if d.kind == Detection.BOX]
    points = [d for d in message.detections if d.kind == Detection.POINT]
    ordered = [*boxes, *points]
    scores = tuple(d.score for d in ordered)
    return Grounding(
        phrase=message.phrase,
        boxes=tuple((d.box.x1, d.box.y1, d.box.x2, d.box.y2) for d in boxes),
        points=tuple((d.point.x, d.point.y) for d in points),
        labels=tuple(d.label for d in ordered),
        scores=() if any(math.isnan(score) for score in scores) else scores,
        text=message.text,
        width=message.width,
        height=message.height,
        malformed=tuple(message.malformed),
    )


def plan_step_message(step: PlanStep, image_header: Header, width: int, height: int) -> PlanStepMessage:
    return PlanStepMessage(
        text=step.text,
        target=step.target or "",
        point=[] if step.point is None else [_point(step.point, width, height)],
        grounding=[] if step.grounding is None else [grounding_message(step.grounding, image_header)],
    )


def _box(box: tuple[int, int, int, int], width: int, height: int) -> BoundingBox:
    x1, y1, x2, y2 = box
    pixels = {"pixel_x1": x1 / 1000 * width, "pixel_y1": y1 / 1000 * height, "pixel_x2": x2 / 1000 * width, "pixel_y2": y2 / 1000 * height}
    return BoundingBox(x1=x1, y1=y1, x2=x2, y2=y2, **pixels)


def _point(point: tuple[int, int], width: int, height: int) -> ImagePoint:
    x, y = point
    return ImagePoint(x=x, y=y, pixel_x=x / 1000 * width, pixel_y=y / 1000 * height)
