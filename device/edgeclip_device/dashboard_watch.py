"""Whether the dashboard is there: while it is away only alerts go, then all that waits.

An alert then lies with the broker for it. The backlog would only fill the broker's queue again and
again, and cost a metered link its bytes.
"""

from __future__ import annotations

import logging

from pydantic import ValidationError

from edgeclip.contract.reports import Status

log = logging.getLogger(__name__)


class DashboardWatch:
    """Reads the dashboard's retained status."""

    def __init__(self) -> None:
        self._known: Status | None = None
        self.is_away = False
        """Whether it said so itself, or its last will did; one that says nothing is there."""

    def is_back(self, payload: bytes) -> bool:
        """Take in a status; say whether it begins a new life of a dashboard that was known."""
        try:
            status = Status.model_validate_json(payload)
        except ValidationError:
            log.warning("the dashboard's status cannot be read")
            return False
        known, self._known = self._known, status
        was_away, self.is_away = self.is_away, status.state in ("offline", "stopped")
        if was_away != self.is_away:
            log.warning("the dashboard is %s", "away: only alerts go" if self.is_away else "back")
        is_new = known is not None and (known.bdseq != status.bdseq or was_away)
        return status.state == "online" and is_new

    def gave_receipt(self) -> None:
        """Note a receipt: whoever gives them is there, whatever the broker has kept of it."""
        self.is_away = False
