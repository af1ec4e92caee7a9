"""What the server says on /diagnostics."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticStatus

from vlaser_ros.diagnostics import ERROR, OK, WARN, Meter, level, status
from vlaser_ros.server.settings import Settings
from vlaser_ros.server.views import Views


class Record:
    """What the policy did since the node was started."""

    def __init__(self) -> None:
        self.goals, self.chunks = Meter(60.0), Meter(30.0)
        self.rejections, self.last_error, self.inference_s = 0, "", 0.0


def input_statuses(name: str, hardware_id: str, views: Views, settings: Settings) -> list[DiagnosticStatus]:
    """One status a camera and one for the joint states. The message is the topic, or what is wrong with it."""
    statuses = []
    for camera, meter in views.image_meters.items():
        age, lag = meter.age(), views.lag(camera)
        judged = level(age, settings.camera_warn_age, settings.camera_error_age)
        words = views.topics[camera]
        if camera in views.hints and not meter.total:
            words = f"{words}: {views.hints[camera]}"
        elif judged != OK:
            words = f"{words}: no image for {age:.1f} s"
        elif lag > views.sync_tolerance:
            judged, words = WARN, f"{words}: lags the other cameras by {lag:.2f} s"
        values = {"rate_hz": meter.rate(), "age_s": age, "lag_s": lag}
        statuses.append(status(f"{name}: camera {camera}", judged, words, hardware_id=hardware_id, **values))
    age = views.joint_meter.age()
    judged = level(age, settings.joints_warn_age, settings.joints_error_age)
    values = {"rate_hz": views.joint_meter.rate(), "age_s": age}
    statuses.append(status(f"{name}: joint states", judged, views.joints_topic, hardware_id=hardware_id, **values))
    return statuses


def policy_status(name: str, hardware_id: str, state: str, trouble: str | None, running: str, record: Record, settings: Settings) -> DiagnosticStatus:
    """state: of the lifecycle. trouble: what keeps an active server from working, or None."""
    words = {"active": "executing" if running else "ready", "configuring": "loading"}.get(state, state)
    failed = state == "unconfigured" and record.last_error
    judged = ERROR if trouble or failed else OK if state == "active" else WARN
    return status(
        f"{name}: policy",
        judged,
        trouble or (f"{words}: {record.last_error}" if failed else words),
        hardware_id=hardware_id,
        goal=running,
        goals=record.goals.total,
        goal_policy=settings.goal_policy,
        chunks=record.chunks.total,
        chunk_rate_hz=record.chunks.rate(),
        rejections=record.rejections,
        inference_s=record.inference_s,
        last_error=record.last_error,
    )
