"""Detections that are over: what a restart closes, and failures that ended."""

from __future__ import annotations

from datetime import datetime

from edgeclip.contract.detection import Detection


def closed_after_restart(detection: Detection) -> Detection:
    """Return the end of a visit that was open when the last process ended.

    Args:
        detection: Its last revision.
    """
    times = detection.time.model_copy(update={"ended_at": detection.time.best_at})
    changes: dict[str, object] = {
        "rev": detection.rev + 1,
        "phase": "end",
        "time": times,
        "end_reason": "restart",
    }
    return detection.model_copy(update=changes)


def ended_failure(detection: Detection, at: datetime | None) -> Detection:
    """Return the end of a failure.

    Args:
        detection: Its first revision.
        at: When what failed worked again.
    """
    times = detection.time.model_copy(update={"ended_at": at})
    return detection.model_copy(
        update={"rev": detection.rev + 1, "phase": "end", "time": times, "end_reason": "quiet"}
    )
