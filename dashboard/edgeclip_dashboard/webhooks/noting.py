"""Which webhooks are told of a new revision, inside the transaction that stores it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from edgeclip.contract.detection import Detection
from edgeclip_dashboard.batch import Batch
from edgeclip_dashboard.models_notices import Delivery, Webhook

_OF_AN_EVENT = ("new", "retract")


def note_deliveries(batch: Batch, detection: Detection, at: datetime) -> None:
    """Note a delivery to each webhook that is to know of a revision.

    Our own format has every revision. An event is made of the first, and changed by a retract;
    tests, blanks and failures make none.

    Args:
        batch: An open transaction.
        detection: A revision that was not stored before.
        at: Now, aware UTC.
    """
    is_event = (
        detection.phase in _OF_AN_EVENT
        and not detection.test
        and detection.failure is None
        and detection.observation_type != "blank"
    )
    for webhook_id, format_ in batch.once("webhooks", _enabled):
        if format_ == "edgeclip" or is_event:
            values = {
                "webhook_id": webhook_id,
                "detection_id": detection.detection_id,
                "rev": detection.rev,
                "state": "waiting",
                "error": "",
                "created_at": at,
            }
            batch.insert_later(Delivery, values)


def _enabled(batch: Batch) -> tuple[tuple[int, str], ...]:
    query = select(Webhook.id, Webhook.format).where(Webhook.is_enabled).order_by(Webhook.id)
    return tuple((row.id, row.format) for row in batch.session.execute(query))
