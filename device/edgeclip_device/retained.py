"""What the broker retains of a device is the same as what the outbox says it shall."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from edgeclip.contract.alarms import ALARM_CODES
from edgeclip.contract.topics import DeviceTopics
from edgeclip_device.events import Answered
from edgeclip_device.publisher import Publisher

log = logging.getLogger(__name__)

MOST_IN_FLIGHT = 10
_CHANGES_EVERY_S = 30.0  # of one topic; that something appears or goes is told at once
_REFUSED = 0x80


class Announcer:
    """Tells the broker all retained messages at every connection, then what changes.

    Args:
        topics: Of this device.
        monotonic: Seconds that only grow.
    """

    def __init__(
        self, topics: DeviceTopics, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._topics = topics
        self._monotonic = monotonic
        self._told: dict[str, tuple[bytes, float]] = {}
        self._in_flight: dict[int, str] = {}

    def on_connect(self) -> None:
        """Forget what the last broker was told: this one may have lost it."""
        self._told.clear()
        self._in_flight.clear()

    def tell(self, link: Publisher, wanted: Mapping[str, bytes]) -> None:
        """Publish what the broker does not know yet, as far as there is room in flight.

        Args:
            link: A connection that stands.
            wanted: By the topic below `up/`; an alarm that is not in it is over.

        Raises:
            PublishError: The connection broke.
        """
        over = {f"alarm/{code}": b"" for code in ALARM_CODES}
        due = [(n, data) for n, data in {**over, **wanted}.items() if self._is_due(n, data)]
        due.sort(key=lambda item: not item[1])  # what stands comes before what is over
        for name, payload in due[: MOST_IN_FLIGHT - len(self._in_flight)]:
            mid = link.publish(self._topics.retained(name), payload, retain=True)
            self._in_flight[mid] = name
            self._told[name] = payload, self._monotonic()

    def on_answer(self, answer: Answered) -> None:
        """Take in a PUBACK; numbers of other messages are passed over."""
        name = self._in_flight.pop(answer.mid, None)
        if name is not None and answer.code >= _REFUSED:
            log.error("the broker refuses up/%s: %s: check its ACL", name, answer.reason)

    def _is_due(self, name: str, payload: bytes) -> bool:
        told, at = self._told.get(name, (None, 0.0))
        if told == payload:
            return False
        changes_only = bool(told) and bool(payload)
        return not changes_only or self._monotonic() - at >= _CHANGES_EVERY_S
