"""Which snapshots go next, whole or in parts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from edgeclip.contract.topics import DeviceTopics
from edgeclip_device.backlog import Backlog
from edgeclip_device.budget import Budget
from edgeclip_device.parts import Part, Parting
from edgeclip_device.publisher import Publisher
from edgeclip_device.rows import MediaRow

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SentMedia:
    """A message that was handed to the link.

    Attributes:
        mid: The message's number.
        key: The snapshot's hash, or the part of it.
        attempts: How often it was sent before.
    """

    mid: int
    key: str | Part
    attempts: int


class MediaDrain:
    """Works off the snapshots of a backlog.

    Args:
        backlog: The outbox.
        topics: Of this device.
        budget: Says what may still be sent today.
        part_bytes: What is larger goes in parts of at most this.
    """

    def __init__(
        self, backlog: Backlog, topics: DeviceTopics, budget: Budget, part_bytes: int
    ) -> None:
        self._backlog = backlog
        self._topics = topics
        self._budget = budget
        self._configured_bytes = self._part_bytes = part_bytes
        self._partings: dict[str, Parting] = {}

    def limit(self, most_bytes: int) -> None:
        """Take in how large a payload this broker takes."""
        self._part_bytes = max(1, min(self._configured_bytes, most_bytes))

    def fill(self, link: Publisher, room: int, now_ns: int) -> Iterator[SentMedia]:
        """Publish what is due and yield each message; parts that wait go first.

        Raises:
            PublishError: The connection broke.
        """
        for parting in list(self._partings.values()):
            while room > 0 and parting.waiting and self._may_go(parting.next_size()):
                sent = self._send_part(link, parting)
                if sent is None:
                    break
                room -= 1
                yield sent
        if room <= 0 or any(parting.waiting for parting in self._partings.values()):
            return
        for item in self._backlog.due_media(room, now_ns):
            if not self._may_go(min(item.size_bytes, self._part_bytes)):
                return
            self._backlog.mark_sent([], [item.sha256])
            sent = self._begin(link, item)
            if sent is not None:
                yield sent
            if self._partings and item.sha256 in self._partings:
                return  # its further parts go with the next fill

    def on_part(self, part: Part, *, acknowledged: bool) -> bool:
        """Take in the answer to a part; say whether that decides on the whole snapshot."""
        parting = self._partings.get(part.sha256)
        if parting is None:
            return False
        if not acknowledged:
            del self._partings[part.sha256]
            return True
        parting.open -= 1
        if parting.open > 0:
            self._backlog.part_is_there(part)
            return False
        del self._partings[part.sha256]
        self._backlog.forget_parts(part.sha256)  # without a receipt all of them go again
        return True

    def on_disconnect(self) -> None:
        """Forget what is under way: the database knows which parts the broker has."""
        self._partings.clear()

    def _may_go(self, size: int) -> bool:
        return self._budget.admit(size, is_alert=False)

    def _begin(self, link: Publisher, item: MediaRow) -> SentMedia | None:
        topic = self._topics.media(item.detection_id, item.n)
        if item.size_bytes <= self._part_bytes:
            return self._send_whole(link, item, topic)
        parting = Parting(
            item.sha256, item.path, topic, item.attempts, item.size_bytes, self._part_bytes
        )
        parting.begin(self._backlog.parts_there(item.sha256, parting.parts))
        self._partings[item.sha256] = parting
        return self._send_part(link, parting)

    def _send_whole(self, link: Publisher, item: MediaRow, topic: str) -> SentMedia | None:
        try:
            data = item.path.read_bytes()
        except OSError as error:
            self._is_gone(item.sha256, error)
            return None
        return SentMedia(link.publish(topic, data), item.sha256, item.attempts)

    def _send_part(self, link: Publisher, parting: Parting) -> SentMedia | None:
        try:
            part, data = parting.take()
        except OSError as error:
            self._partings.pop(parting.sha256, None)
            self._is_gone(parting.sha256, error)
            return None
        mid = link.publish(f"{parting.topic}/{part.name}", data)
        return SentMedia(mid, part, parting.attempts)

    def _is_gone(self, sha256: str, error: OSError) -> None:
        log.error("a snapshot is gone (%s): its detection stays without it", error)
        self._backlog.media_is_gone(sha256)
