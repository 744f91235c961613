"""What the uplink's parts need of a link."""

from __future__ import annotations

from typing import Protocol


class Publisher(Protocol):
    """A connection that stands."""

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None
    ) -> int:
        """Publish at QoS 1 and return the message's number, or raise PublishError.

        Args:
            topic: The whole topic.
            payload: All bytes.
            retain: Whether the broker keeps it for those who come later.
            expiry_s: After so long nobody needs it any more; only MQTT 5 knows that.
        """
