"""Brings deliveries to webhooks, in order; a webhook that fails is tried later, as a whole."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Engine, delete, select
from sqlalchemy.orm import Session

from edgeclip.contract.detection import Detection
from edgeclip_dashboard.models import Revision
from edgeclip_dashboard.models_field import Deployment
from edgeclip_dashboard.models_notices import Delivery, Webhook
from edgeclip_dashboard.notices.retries import next_try
from edgeclip_dashboard.notices.teller import utc_now
from edgeclip_dashboard.webhooks.formats import (
    Parcel,
    UntellableError,
    Where,
    compose,
    remote_id,
)
from edgeclip_dashboard.webhooks.forms import WebhookForm
from edgeclip_dashboard.webhooks.sending import Answer, Post, post

log = logging.getLogger(__name__)

_LEASE: Final = timedelta(minutes=2)
_ROUND: Final = timedelta(minutes=1)
_GIVE_UP_AFTER: Final = timedelta(days=3)
_KEPT: Final = timedelta(days=30)
_UNNEEDED: Final = Answer(None)


class Courier:
    """Sends what is due; several processes may have one each on the same database.

    Args:
        engine: Of the database.
        clock: Gives the time now, aware UTC.
        send: Sends one request.
        on_change: Called when something was sent, or was not taken.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Callable[[], datetime] = utc_now,
        send: Post = post,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._send = send
        self._on_change = on_change
        self._cleared_at: datetime | None = None

    def step(self, go_on: Callable[[], bool] = lambda: True) -> None:
        """Send what is due now, a minute for each webhook at the most.

        Args:
            go_on: Asked before each request.

        Raises:
            SQLAlchemyError: The database cannot be read or written.
        """
        self._clear()
        done: set[int] = set()
        while go_on() and (claimed := self._claim(done)) is not None:
            webhook_id, form = claimed
            done.add(webhook_id)
            until = self._clock() + _ROUND
            while go_on() and self._clock() < until and self._send_next(webhook_id, form):
                pass
            self._release(webhook_id)
            self._on_change()

    def _clear(self) -> None:
        """Forget, once an hour, what was sent or refused long ago."""
        now = self._clock()
        if self._cleared_at is not None and now - self._cleared_at < timedelta(hours=1):
            return
        self._cleared_at = now
        old = delete(Delivery).where(Delivery.state != "waiting", Delivery.created_at < now - _KEPT)
        with Session(self._engine) as session, session.begin():
            session.execute(old)

    def _claim(self, done: set[int]) -> tuple[int, WebhookForm] | None:
        """Claim a webhook that has something to be sent, for this process alone, or return None."""
        now = self._clock()
        waiting = select(Delivery.id).where(
            Delivery.webhook_id == Webhook.id, Delivery.state == "waiting"
        )
        query = (
            select(Webhook)
            .where(Webhook.is_enabled, Webhook.next_try_at <= now, waiting.exists())
            .where(Webhook.id.not_in(done))
            .order_by(Webhook.id)
            .limit(1)
            .with_for_update(skip_locked=True)  # SQLite has one process, and no such words
        )
        with Session(self._engine) as session, session.begin():
            row = session.scalars(query).first()
            if row is None:
                return None
            row.next_try_at = now + _LEASE
            return row.id, form_from_row(row)

    def _send_next(self, webhook_id: int, form: WebhookForm) -> bool:
        """Send the oldest delivery; say whether to go on with the next."""
        parcel = self._next_parcel(webhook_id)
        if parcel is None:
            return False
        try:
            letter = compose(form, parcel, int(self._clock().timestamp()))
            answer = self._send(letter) if letter else _UNNEEDED
        except UntellableError as error:
            answer = Answer(str(error), is_final=True)
        is_new = parcel.detection.phase != "retract"
        named = remote_id(form, answer.body) if is_new and form.format != "edgeclip" else None
        with Session(self._engine) as session, session.begin():
            return self._settle(session, webhook_id, parcel.delivery_id, answer, named)

    def _next_parcel(self, webhook_id: int) -> Parcel | None:
        with Session(self._engine) as session:
            delivery = session.scalars(
                select(Delivery)
                .where(Delivery.webhook_id == webhook_id, Delivery.state == "waiting")
                .order_by(Delivery.id)
                .limit(1)
            ).first()
            if delivery is None:
                return None
            revision = session.get_one(Revision, (delivery.detection_id, delivery.rev))
            detection = Detection.model_validate_json(revision.payload)
            place = session.get(Deployment, detection.deployment_id)
            named = session.scalars(
                select(Delivery.remote_id).where(
                    Delivery.webhook_id == webhook_id,
                    Delivery.detection_id == delivery.detection_id,
                    Delivery.remote_id.is_not(None),
                )
            ).first()
            where = Where(
                name=place.name if place else detection.deployment_id,
                latitude=place.latitude if place else None,
                longitude=place.longitude if place else None,
            )
            return Parcel(delivery.id, detection, where, named)

    def _settle(
        self, session: Session, webhook_id: int, delivery_id: int, answer: Answer, named: str | None
    ) -> bool:
        now = self._clock()
        webhook = session.get(Webhook, webhook_id, with_for_update=True)
        delivery = session.get(Delivery, delivery_id)
        if webhook is None or delivery is None:
            return False  # it was removed meanwhile
        delivery.error = answer.reason or ""
        if answer.reason is None:
            delivery.state, delivery.sent_at, delivery.remote_id = "sent", now, named
        elif answer.is_final:
            delivery.state = "failed"
        else:
            _hold(webhook, answer.reason, now)
            return False
        webhook.tries, webhook.failing_since, webhook.error = 0, None, ""
        webhook.next_try_at = now + _LEASE
        return webhook.is_enabled

    def _release(self, webhook_id: int) -> None:
        """End the claim, unless the webhook failed: then the next try has its time."""
        with Session(self._engine) as session, session.begin():
            webhook = session.get(Webhook, webhook_id, with_for_update=True)
            if webhook is not None and webhook.failing_since is None:
                webhook.next_try_at = self._clock()


def _hold(webhook: Webhook, reason: str, now: datetime) -> None:
    """Try a webhook later, or switch it off when it has failed for days."""
    webhook.tries += 1
    webhook.failing_since = webhook.failing_since or now
    webhook.next_try_at = next_try(webhook.tries, now)
    webhook.error = reason
    if now - webhook.failing_since >= _GIVE_UP_AFTER:
        webhook.is_enabled = False
        webhook.error = f"switched off after three days: {reason}"
    log.warning("webhook %s: %s", webhook.name, webhook.error)


def form_from_row(row: Webhook) -> WebhookForm:
    """Return the webhook that a row holds; it was checked when it was written."""
    values = {name: getattr(row, name) for name in WebhookForm.model_fields}
    return WebhookForm.model_construct(**values)
