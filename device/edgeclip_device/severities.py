"""Alert or routine: by class, by what the law allows, and by how many alerts there were."""

from __future__ import annotations

from edgeclip.contract.detection import Severity
from edgeclip.contract.pack import ObservationType
from edgeclip_device.limits import TokenBucket
from edgeclip_device.privacy import Privacy
from edgeclip_device.visit_settings import LimitSettings, VisitSettings


class Severities:
    """Decides it once for each detection.

    Args:
        visits: Names the routine classes.
        privacy: Whether people may raise alerts.
        limits: How many alerts an hour.
    """

    def __init__(self, visits: VisitSettings, privacy: Privacy, limits: LimitSettings) -> None:
        self._routine = set(visits.routine_classes)
        self._privacy = privacy
        per_hour = limits.alerts_per_hour
        self.alerts = TokenBucket(per_hour / 3600, per_hour)

    def of_new(self, class_name: str | None, kind: ObservationType, at_s: float) -> Severity:
        """Return the severity of a new detection; an alert beyond the limit comes as routine.

        Args:
            class_name: None where it is like no class.
            kind: Of observation.
            at_s: Now.
        """
        quiet = class_name is None or class_name in self._routine
        if quiet or not self._privacy.is_alert(kind):
            return "routine"
        return "alert" if self.alerts.take(at_s) else "routine"
