"""What another system is sent: a revision in our own format, or an event as the system shapes it.

EarthRanger's fields follow its client (github.com/PADAS/er-client: `post_report`, `patch_report`),
Gundi's its client and schemas (github.com/PADAS/gundi-client, docs/sending-data/events.md;
github.com/PADAS/gundi-core, schemas/v2, Event and Location).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from edgeclip.contract.detection import Detection
from edgeclip_dashboard.notices.texts import line
from edgeclip_dashboard.webhooks.forms import WebhookForm
from edgeclip_dashboard.webhooks.signing import DELIVERY_HEADER, SIGNATURE_HEADER, signature
from edgeclip_dashboard.wording import percent

SCHEMA: Final = "edgeclip.webhook/1"
_PRIORITY: Final = {"alert": 300, "routine": 0}  # EarthRanger's red and grey
_REMOTE_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}")


class UntellableError(Exception):
    """What cannot be told to this system, whenever it is tried; the message says why."""


@dataclass(frozen=True)
class Where:
    """A deployment as people have named and placed it; WGS 84 degrees, or None."""

    name: str
    latitude: float | None
    longitude: float | None


@dataclass(frozen=True)
class Parcel:
    """A revision that is to be sent.

    Attributes:
        delivery_id: Stays the same at each try.
        where: Of its deployment.
        at: When it occurred, as far as that is known.
        remote_id: The system's own name for what it was sent of this detection before, or None.
    """

    delivery_id: int
    detection: Detection
    where: Where
    at: datetime
    remote_id: str | None


@dataclass(frozen=True)
class Letter:
    """A request; its headers hold what is secret."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


def compose(webhook: WebhookForm, parcel: Parcel, at_s: int) -> Letter | None:
    """Return the request that tells a system of a revision, or None where it need not know.

    Args:
        webhook: The system.
        parcel: The revision.
        at_s: Now, in seconds since 1970.

    Raises:
        UntellableError: The system needs what is not known.
    """
    if webhook.format == "edgeclip":
        return _own(webhook, parcel, at_s)
    is_back = parcel.detection.phase == "retract"
    if is_back and parcel.remote_id is None:
        return None  # it never knew of it
    if webhook.format == "earthranger":
        return _earthranger(webhook, parcel, is_back=is_back)
    return _gundi(webhook, parcel, is_back=is_back)


def remote_id(webhook: WebhookForm, answer: bytes) -> str | None:
    """Return the system's own name for a new event, from its answer, or None."""
    try:
        document = json.loads(answer)
    except ValueError:
        return None
    if webhook.format == "earthranger":
        found = _member(_member(document, "data"), "id")
    else:
        first = document[0] if isinstance(document, list) and document else document
        found = _member(first, "object_id")
    return found if isinstance(found, str) and _REMOTE_ID.fullmatch(found) else None


def _member(document: Any, key: str) -> Any:
    return document.get(key) if isinstance(document, dict) else None


def _own(webhook: WebhookForm, parcel: Parcel, at_s: int) -> Letter:
    where = parcel.where
    detection = parcel.detection.model_dump(
        mode="json", by_alias=True, exclude={"features", "heat"}
    )
    body = _json(
        {
            "schema": SCHEMA,
            "delivery_id": parcel.delivery_id,
            "detection": detection,
            "place": {
                "name": where.name,
                "latitude": where.latitude,
                "longitude": where.longitude,
            },
        }
    )
    headers = {
        DELIVERY_HEADER: str(parcel.delivery_id),
        SIGNATURE_HEADER: signature(webhook.secret, body, at_s),
    }
    return _letter("POST", webhook.url, headers, body)


def _earthranger(webhook: WebhookForm, parcel: Parcel, *, is_back: bool) -> Letter:
    headers = {"Authorization": f"Bearer {webhook.secret}"}
    if is_back:
        one = webhook.url.rstrip("/").removesuffix("s") + f"/{parcel.remote_id}"
        changes = {"state": "resolved", "title": f"Taken back: {_title(parcel)}"}
        return _letter("PATCH", one, headers, _json(changes))
    event: dict[str, Any] = {
        "event_type": webhook.event_type,
        "title": _title(parcel),
        "time": parcel.at.isoformat(),
        "priority": _PRIORITY[parcel.detection.severity],
        "event_details": _details(parcel),
    }
    if (place := _place(parcel)) is not None:
        event["location"] = {"latitude": place[0], "longitude": place[1]}
    return _letter("POST", webhook.url, headers, _json(event))


def _gundi(webhook: WebhookForm, parcel: Parcel, *, is_back: bool) -> Letter:
    headers = {"apikey": webhook.secret}
    events = f"{webhook.url.rstrip('/')}/"
    if is_back:
        return _letter(
            "PATCH", f"{events}{parcel.remote_id}/", headers, _json({"state": "resolved"})
        )
    place = _place(parcel)
    if place is None:
        raise UntellableError(
            f"Gundi needs coordinates: write those of {parcel.detection.deployment_id} on the page"
            " of deployments"
        )
    event = {
        "source": parcel.detection.device_id,
        "event_type": webhook.event_type,
        "title": _title(parcel),
        "recorded_at": parcel.at.isoformat(),
        "location": {"lat": place[0], "lon": place[1]},
        "event_details": _details(parcel),
    }
    return _letter("POST", events, headers, _json(event))


def _title(parcel: Parcel) -> str:
    detection = parcel.detection
    what = (detection.class_name or detection.observation_type).replace("_", " ")
    return line(f"{what} {percent(detection.probability)} at {parcel.where.name}")


def _place(parcel: Parcel) -> tuple[float, float] | None:
    where, told = parcel.where, parcel.detection.location
    for latitude, longitude in (
        (where.latitude, where.longitude),
        (told.latitude, told.longitude),
    ):
        if latitude is not None and longitude is not None:
            return latitude, longitude
    return None


def _details(parcel: Parcel) -> dict[str, Any]:
    names = "detection_id device_id deployment_id camera_id class_name scientific_name"
    names += " observation_type probability severity"
    return {name: getattr(parcel.detection, name) for name in names.split()}


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _letter(method: str, url: str, headers: dict[str, str], body: bytes) -> Letter:
    return Letter(method, url, {"Content-Type": "application/json"} | headers, body)
