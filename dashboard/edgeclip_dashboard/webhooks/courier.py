"""Brings deliveries to webhooks, in order; a webhook that fails is tried later, as a whole."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Engine, delete, select
from sqlalchemy.orm import Session

from edgeclip.contract.detection import Detection
from edgeclip_dashboard.clock_fixes import known_time
from edgeclip_dashboard.models import DetectionRow, Revision
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
from edgeclip_dashboard.webhooks.sending import Answer, Post, open_post

log = logging.getLogger(__name__)

_LEASE: Final = timedelta(minutes=2)
_ROUND: Final = timedelta(minutes=1)
_GIVE_UP_AFTER: Final = timedelta(days=3)
_KEPT: Final = timedelta(days=30)
_UNNEEDED: Final = Answer(None)
_AT_ONCE: Final = 20  # so many may be sent once more after a power cut


@dataclass(frozen=True)
class Result:
    """What came of one delivery; `remote_id` is how the other system names what is new there."""

    delivery_id: int
    answer: Answer
    remote_id: str | None


class Courier:
    """Sends what is due; several processes may have one each on the same database.

    Args:
        engine: Of the database.
        clock: Gives the time now, aware UTC.
        open_send: Opens what sends requests, for a round.
        on_change: Called when something was sent, or was not taken.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Callable[[], datetime] = utc_now,
        open_send: Callable[[], AbstractContextManager[Post]] = open_post,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._open_send = open_send
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
        with ExitStack() as opened:
            send: Post | None = None
            while go_on() and (claimed := self._claim(done)) is not None:
                send = send or opened.enter_context(self._open_send())
                done.add(claimed[0])
                self._serve(*claimed, send, go_on)
                self._on_change()

    def _serve(
        self, webhook_id: int, form: WebhookForm, send: Post, go_on: Callable[[], bool]
    ) -> None:
        """Send what a webhook is due, for a minute at the most."""
        until = self._clock() + _ROUND
        while go_on() and self._clock() < until:
            parcels = self._next_parcels(webhook_id)
            results = self._send_some(form, parcels, send, go_on)
            if not results or not self._settle(webhook_id, results):
                break
        self._release(webhook_id)

    def _send_some(
        self, form: WebhookForm, parcels: list[Parcel], send: Post, go_on: Callable[[], bool]
    ) -> list[Result]:
        """Send parcels in order, up to the first that is to be tried later."""
        named: dict[str, str] = {}
        results: list[Result] = []
        for parcel in parcels:
            if not go_on():
                break
            detection_id = parcel.detection.detection_id
            known = parcel.remote_id or named.get(detection_id)
            answer = self._send_one(form, replace(parcel, remote_id=known), send)
            name = None
            if form.format != "edgeclip" and parcel.detection.phase != "retract":
                name = remote_id(form, answer.body)
            if name is not None:
                named[detection_id] = name
            results.append(Result(parcel.delivery_id, answer, name))
            if answer.reason is not None and not answer.is_final:
                break
        return results

    def _send_one(self, form: WebhookForm, parcel: Parcel, send: Post) -> Answer:
        try:
            letter = compose(form, parcel, int(self._clock().timestamp()))
        except UntellableError as error:
            return Answer(str(error), is_final=True)
        return send(letter) if letter else _UNNEEDED

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

    def _next_parcels(self, webhook_id: int) -> list[Parcel]:
        """Return the oldest deliveries that wait."""
        query = select(Delivery).where(
            Delivery.webhook_id == webhook_id, Delivery.state == "waiting"
        )
        with Session(self._engine) as session:
            oldest = session.scalars(query.order_by(Delivery.id).limit(_AT_ONCE))
            return [_parcel(session, delivery) for delivery in oldest]

    def _settle(self, webhook_id: int, results: list[Result]) -> bool:
        """Note what came of deliveries, in one transaction; say whether to go on."""
        now = self._clock()
        with Session(self._engine) as session, session.begin():
            webhook = session.get(Webhook, webhook_id, with_for_update=True)
            if webhook is None:
                return False  # it was removed meanwhile
            ids = [result.delivery_id for result in results]
            rows = session.scalars(select(Delivery).where(Delivery.id.in_(ids)))
            deliveries = {row.id: row for row in rows}
            webhook.tries, webhook.failing_since = _counted(webhook, results)
            webhook.error, webhook.next_try_at = "", now + _LEASE
            for result in results:
                delivery = deliveries.get(result.delivery_id)
                if delivery is not None and not _note(delivery, result, now):
                    _hold(webhook, result.answer.reason or "", now)
                    return False
            return webhook.is_enabled

    def _release(self, webhook_id: int) -> None:
        """End the claim, unless the webhook failed: then the next try has its time."""
        with Session(self._engine) as session, session.begin():
            webhook = session.get(Webhook, webhook_id, with_for_update=True)
            if webhook is not None and webhook.failing_since is None:
                webhook.next_try_at = self._clock()


def _parcel(session: Session, delivery: Delivery) -> Parcel:
    revision = session.get_one(Revision, (delivery.detection_id, delivery.rev))
    detection = Detection.model_validate_json(revision.payload)
    place = session.get(Deployment, detection.deployment_id)
    named = select(Delivery.remote_id).where(
        Delivery.webhook_id == delivery.webhook_id,
        Delivery.detection_id == delivery.detection_id,
        Delivery.remote_id.is_not(None),
    )
    where = Where(
        name=place.name if place else detection.deployment_id,
        latitude=place.latitude if place else None,
        longitude=place.longitude if place else None,
    )
    at = known_time(session.get_one(DetectionRow, delivery.detection_id))
    return Parcel(delivery.id, detection, where, at, session.scalars(named).first())


def _counted(webhook: Webhook, results: list[Result]) -> tuple[int, datetime | None]:
    """Return tries and beginning of a failure that goes on; any delivery that arrived ends it."""
    first = results[0].answer
    goes_on = first.reason is not None and not first.is_final
    return (webhook.tries, webhook.failing_since) if goes_on else (0, None)


def _note(delivery: Delivery, result: Result, now: datetime) -> bool:
    """Note what came of one delivery; say whether it is done with."""
    answer = result.answer
    delivery.error = answer.reason or ""
    if answer.reason is None:
        delivery.state, delivery.sent_at, delivery.remote_id = "sent", now, result.remote_id
    elif answer.is_final:
        delivery.state = "failed"
    return delivery.state != "waiting"


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
