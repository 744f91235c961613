"""Whether the dashboard has come back: what has no receipt yet then goes out at once."""

from __future__ import annotations

import logging

from pydantic import ValidationError

from edgeclip.contract.reports import Status

log = logging.getLogger(__name__)


class DashboardWatch:
    """Reads the dashboard's retained status."""

    def __init__(self) -> None:
        self._known: Status | None = None

    def is_back(self, payload: bytes) -> bool:
        """Take in a status; say whether it begins a new life of a dashboard that was known."""
        try:
            status = Status.model_validate_json(payload)
        except ValidationError:
            log.warning("the dashboard's status cannot be read")
            return False
        known, self._known = self._known, status
        return status.state == "online" and known is not None and known.bdseq != status.bdseq
