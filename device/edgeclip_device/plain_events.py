"""Each detection once more as a flat JSON, for flows that want no schema (Node-RED)."""

from __future__ import annotations

import json
from typing import Any

from edgeclip.contract.detection import DETECTION_SCHEMA
from edgeclip.contract.topics import DeviceTopics
from edgeclip_device.config import DeviceSettings
from edgeclip_device.publisher import Publisher

_EXPIRY_S = 3600  # an event that nobody took is no news any more; the detection itself is kept
_COPIED = (
    "detection_id", "rev", "phase", "severity", "project", "device_id", "deployment_id",
    "camera_id", "class_name", "observation_type", "probability", "failure", "historical", "test",
)  # fmt: skip


class EventEcho:
    """Publishes what it is given, and a plain event after every detection.

    Args:
        link: Takes the detections.
        echo: Takes the events; their bytes count, too.
        topics: Of this device.
    """

    def __init__(self, link: Publisher, echo: Publisher, topics: DeviceTopics) -> None:
        self._link, self._echo, self._topics = link, echo, topics

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None
    ) -> int:
        """Publish, and return the message's number.

        Raises:
            PublishError: There is no connection.
        """
        mid = self._link.publish(topic, payload, retain=retain, expiry_s=expiry_s)
        if topic.startswith(f"{self._topics.prefix}/up/detection/"):
            event = plain_event(payload)
            if event is not None:
                self._echo.publish(self._topics.event, event, expiry_s=_EXPIRY_S)
        return mid


def with_events(settings: DeviceSettings, link: Publisher, echo: Publisher) -> Publisher:
    """Return the link itself, or one that tells plain events, too, where they are asked for."""
    if not settings.integrations.has_events:
        return link
    return EventEcho(link, echo, DeviceTopics(settings.project, settings.device_id))


def most_detections(settings: DeviceSettings) -> int:
    """Return how many detections may be in flight: an event takes the place of one."""
    most = settings.mqtt.max_in_flight
    return max(1, most // 2) if settings.integrations.has_events else most


def plain_event(payload: bytes) -> bytes | None:
    """Return a detection as one flat object; None of what is no single detection."""
    try:
        document = json.loads(payload)
    except ValueError:
        return None
    if not isinstance(document, dict) or document.get("schema") != DETECTION_SCHEMA:
        return None
    return json.dumps(_flat(document), separators=(",", ":"), ensure_ascii=False).encode()


def _flat(document: dict[str, Any]) -> dict[str, Any]:
    times = document.get("time") or {}
    event = {key: document.get(key) for key in _COPIED}
    event["at"] = times.get("best_at") or times.get("started_at")
    event["started_at"], event["ended_at"] = times.get("started_at"), times.get("ended_at")
    event["caption"] = (document.get("attributes") or {}).get("caption")
    event["media"] = len(document.get("media") or [])
    return event
