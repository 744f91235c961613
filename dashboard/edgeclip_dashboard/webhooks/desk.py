"""Webhooks as admins write and see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from edgeclip.errors import DashboardError
from edgeclip_dashboard.deeds import note
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.models_notices import Delivery, Webhook
from edgeclip_dashboard.webhooks.forms import WebhookForm

_MOST_REASONS = 3


@dataclass(frozen=True)
class WebhookView:
    """A webhook as it is shown: without its secret.

    Attributes:
        counts: Deliveries by state: waiting, sent (of the last 30 days), failed.
        refused: Why the newest that failed for good were refused.
    """

    webhook_id: int
    name: str
    url: str
    format: str
    event_type: str
    is_enabled: bool
    failing_since: datetime | None
    next_try_at: datetime
    error: str
    counts: dict[str, int]
    refused: tuple[str, ...]


def all_webhooks(session: Session) -> list[WebhookView]:
    """Return all webhooks by name."""
    return [_view(session, row) for row in session.scalars(select(Webhook).order_by(Webhook.name))]


def _view(session: Session, row: Webhook) -> WebhookView:
    mine = Delivery.webhook_id == row.id
    counts = select(Delivery.state, func.count()).where(mine).group_by(Delivery.state)
    refused = select(Delivery.error).where(mine, Delivery.state == "failed")
    newest = refused.order_by(Delivery.id.desc()).limit(_MOST_REASONS)
    names = "name url format event_type is_enabled failing_since next_try_at error"
    return WebhookView(
        webhook_id=row.id,
        **{name: getattr(row, name) for name in names.split()},
        counts=dict(session.execute(counts).tuples().all()),
        refused=tuple(session.scalars(newest)),
    )


def add_webhook(session: Session, identity: Identity, form: WebhookForm, at: datetime) -> None:
    """Store a new webhook.

    Raises:
        DashboardError: Another has its name.
    """
    if session.scalars(select(Webhook.id).where(Webhook.name == form.name)).first() is not None:
        raise DashboardError(f"another webhook is called {form.name!r}: choose another name")
    row = Webhook(
        **form.model_dump(),
        tries=0,
        error="",
        next_try_at=at,
        created_by=identity.name,
        created_at=at,
    )
    session.add(row)
    note(session, identity, "webhook added", form.name, at)


def switch_webhook(
    session: Session, identity: Identity, webhook_id: int, at: datetime, *, is_on: bool
) -> None:
    """Switch a webhook on or off; on, what still waits is sent at once.

    Raises:
        DashboardError: It is gone.
    """
    row = _webhook(session, webhook_id)
    row.is_enabled = is_on
    row.tries, row.failing_since, row.error, row.next_try_at = 0, None, "", at
    note(session, identity, f"webhook switched {'on' if is_on else 'off'}", row.name, at)


def remove_webhook(session: Session, identity: Identity, webhook_id: int, at: datetime) -> None:
    """Remove a webhook, and what waits for it.

    Raises:
        DashboardError: It is gone already.
    """
    row = _webhook(session, webhook_id)
    session.execute(delete(Delivery).where(Delivery.webhook_id == webhook_id))
    note(session, identity, "webhook removed", row.name, at)
    session.delete(row)


def _webhook(session: Session, webhook_id: int) -> Webhook:
    row = session.get(Webhook, webhook_id)
    if row is None:
        raise DashboardError("that webhook was removed meanwhile: open the page again")
    return row
