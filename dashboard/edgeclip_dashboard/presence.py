"""What the dashboard says of itself on its retained status topic, for all instances together."""

from __future__ import annotations

from datetime import datetime, timezone

from pydantic import ValidationError

from edgeclip.contract.reports import Status
from edgeclip.contract.topics import dashboard_status


class Presence:
    """The words of one connection.

    Args:
        project: Whose dashboard it is.
        bdseq: Of the connection; its will and its birth have the same.
    """

    def __init__(self, project: str, bdseq: int) -> None:
        self.topic = dashboard_status(project)
        self._bdseq = bdseq

    def online(self) -> bytes:
        """Return the birth."""
        return self._say("online")

    def stopped(self) -> bytes:
        """Return the farewell."""
        return self._say("stopped")

    def will(self) -> bytes:
        """Return what the broker says when the connection is lost."""
        return self._say("offline")

    def answer(self, payload: bytes) -> bytes | None:
        """Return what to say where another instance, or an old connection of ours, has gone.

        The topic is one for all: without an answer devices would think that nobody is there.
        """
        try:
            status = Status.model_validate_json(payload)
        except ValidationError:
            return self.online()
        return None if status.state == "online" else self.online()

    def _say(self, state: str) -> bytes:
        since = None if state == "offline" else datetime.now(timezone.utc)
        document = {"state": state, "since": since, "bdseq": self._bdseq}
        return Status.model_validate(document).to_json()
