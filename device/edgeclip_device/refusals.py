"""What the broker refuses beside detections: status, info, health, alarms, replies."""

from __future__ import annotations

import logging

from edgeclip_device.events import Answered

log = logging.getLogger(__name__)

_REFUSED = 0x80  # reason codes from here on: the broker did not take the message


class Refusals:
    """Follows messages to the broker's answer."""

    def __init__(self) -> None:
        self._under_way: dict[int, str] = {}
        self.by_kind: dict[str, str] = {}
        """Why the broker takes no such messages, by the level below `up/`; of the last answer."""

    def on_connect(self) -> None:
        """Forget what the last connection did not answer."""
        self._under_way.clear()

    def sent(self, mid: int, topic: str) -> None:
        """Note a message that was handed to the link."""
        self._under_way[mid] = "/".join(topic.split("/")[5:6]) or topic

    def on_answer(self, answer: Answered) -> None:
        """Take in a PUBACK; numbers of other messages are passed over."""
        kind = self._under_way.pop(answer.mid, None)
        if kind is None:
            return
        if answer.code < _REFUSED:
            self.by_kind.pop(kind, None)
        elif self.by_kind.get(kind) != answer.reason:
            log.error("the broker refuses up/%s: %s: check its ACL", kind, answer.reason)
            self.by_kind[kind] = answer.reason
