"""What a pipeline counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class PipelineCounts:
    """What a pipeline has done so far.

    Attributes:
        classified: Frames that the classifier saw.
        unknown: Those of them that are like no class.
        people: Those that show a person.
        rate_limited: Frames that were not classified, since too many had been.
        failures: Times that something failed.
        detections: Visits that began.
        alerts: Those of them that are alerts.
        alerts_held: Those that came as routine, since there had been too many.
        retracted: Those that were taken back.
        revisions: Rows of the outbox.
    """

    classified: int = 0
    unknown: int = 0
    people: int = 0
    rate_limited: int = 0
    failures: int = 0
    detections: int = 0
    alerts: int = 0
    alerts_held: int = 0
    retracted: int = 0
    revisions: int = 0
