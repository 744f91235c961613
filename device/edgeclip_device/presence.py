"""Status and info: the birth at every connection, the will, and the farewell."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Literal

from edgeclip.contract.reports import Status
from edgeclip.contract.topics import DeviceTopics
from edgeclip_device.config import DeviceSettings
from edgeclip_device.facts import DeviceFacts, info
from edgeclip_device.home_assistant import discovery_message, discovery_topic
from edgeclip_device.machine.identity import identify
from edgeclip_device.machine.tree import Tree
from edgeclip_device.mqtt import Will
from edgeclip_device.power.schedule import Rest
from edgeclip_device.publisher import Publisher


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
        self._identity = identify(Tree(), settings)
        self._told: DeviceFacts | None = None
        self._rest: Rest | None = None
        self._untimed = ""

    def will(self, bdseq: int) -> Will:
        """Return what the broker says of us when we are gone without a word.

        Args:
            bdseq: Of the connection that begins; its birth has the same.
        """
        self._bdseq = bdseq
        return Will(self._topics.status, self._status("offline"))

    def birth(
        self, link: Publisher, facts: DeviceFacts, rest: Rest | None = None, untimed: str = ""
    ) -> None:
        """Publish status and info, retained.

        Args:
            link: A connection that stands.
            facts: What stands in info.
            rest: Why its camera rests, if it does.
            untimed: Why it does not, where it has hours that cannot be kept.

        Raises:
            PublishError: The connection broke.
        """
        self._rest, self._untimed = rest, untimed
        self._tell_status(link)
        self._describe(link)
        self._told = None
        self.tell_info(link, facts)

    def _describe(self, link: Publisher) -> None:
        """Describe the device to Home Assistant, where that is asked for."""
        wanted = self._settings.integrations
        if wanted.home_assistant:
            topic = discovery_topic(wanted.discovery_prefix, self._settings.device_id)
            message = discovery_message(self._topics, self._identity.module)
            link.publish(topic, message, retain=True)

    def tell_rest(self, link: Publisher, rest: Rest | None, untimed: str = "") -> None:
        """Publish status, where the camera went to sleep or woke up, or its hours were lost.

        Raises:
            PublishError: The connection broke.
        """
        if (rest, untimed) != (self._rest, self._untimed):
            self._rest, self._untimed = rest, untimed
            self._tell_status(link)

    def tell_info(self, link: Publisher, facts: DeviceFacts) -> None:
        """Publish info, where it is not what the broker was told.

        Raises:
            PublishError: The connection broke.
        """
        if facts != self._told:
            said = info(self._settings, facts, self._identity).to_json()
            link.publish(self._topics.info, said, retain=True)
            self._told = facts

    def farewell(self) -> tuple[str, bytes]:
        """Return topic and payload of the last message."""
        return self._topics.status, self._status("stopped")

    def _tell_status(self, link: Publisher) -> None:
        state: Literal["online", "sleeping"] = "sleeping" if self._rest else "online"
        link.publish(self._topics.status, self._status(state), retain=True)

    def _status(self, state: Literal["online", "sleeping", "stopped", "offline"]) -> bytes:
        since = None if state == "offline" else datetime.now(timezone.utc)
        rest = self._rest if state == "sleeping" else None
        reason = self._untimed or None if state == "online" else None
        status = Status(
            state=state,
            since=since,
            bdseq=self._bdseq,
            boot_id=self._boot_id,
            reason=rest.reason if rest else reason,
            next_wake_at=rest.next_wake_at if rest else None,
        )
        return status.to_json()
