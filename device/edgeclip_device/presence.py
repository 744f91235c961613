"""Status and info: the birth at every connection, the will, and the farewell."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Literal

from edgeclip.contract.reports import Status
from edgeclip.contract.topics import DeviceTopics
from edgeclip_device.config import DeviceSettings
from edgeclip_device.mqtt import Will
from edgeclip_device.publisher import Publisher
from edgeclip_device.running import Running, info


class Presence:
    """Says that the device is there, and what runs on it.

    Args:
        settings: Who the device is.
        boot_id: Of this boot.
    """

    def __init__(self, settings: DeviceSettings, boot_id: str) -> None:
        self._settings = settings
        self._topics = DeviceTopics(settings.project, settings.device_id)
        self._boot_id = boot_id
        self._bdseq = 0
        self._told: bytes | None = None

    def will(self, bdseq: int) -> Will:
        """Return what the broker says of us when we are gone without a word.

        Args:
            bdseq: Of the connection that begins; its birth has the same.
        """
        self._bdseq = bdseq
        return Will(self._topics.status, self._status("offline"))

    def birth(self, link: Publisher, running: Running | None) -> None:
        """Publish status and info, retained.

        Raises:
            PublishError: The connection broke.
        """
        link.publish(self._topics.status, self._status("online"), retain=True)
        self._told = None
        self.tell_info(link, running)

    def tell_info(self, link: Publisher, running: Running | None) -> None:
        """Publish info, where it is not what the broker was told.

        Raises:
            PublishError: The connection broke.
        """
        said = info(self._settings, running).to_json()
        if said != self._told:
            link.publish(self._topics.info, said, retain=True)
            self._told = said

    def farewell(self) -> tuple[str, bytes]:
        """Return topic and payload of the last message."""
        return self._topics.status, self._status("stopped")

    def _status(self, state: Literal["online", "stopped", "offline"]) -> bytes:
        since = None if state == "offline" else datetime.now(timezone.utc)
        status = Status(state=state, since=since, bdseq=self._bdseq, boot_id=self._boot_id)
        return status.to_json()
