"""Rules and webhooks in a real store, for the tests of what is told."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from edgeclip_dashboard.models_notices import Delivery, Notice, Rule, Webhook
from edgeclip_dashboard.notices.rules import RuleForm
from edgeclip_dashboard.webhooks.forms import WebhookForm

AT = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)


def add_rule(engine: Engine, **values: Any) -> int:
    """Store a rule that tells a server which is not there, unless values say otherwise."""
    form = RuleForm(**({"name": "leopards", "channels": ("json://127.0.0.1:9/x",)} | values))
    with Session(engine) as session, session.begin():
        row = Rule(**form.to_columns(), created_by="admin", created_at=AT)
        session.add(row)
        session.flush()
        return row.id


def notices(engine: Engine) -> list[Notice]:
    """Return all notices, oldest first."""
    with Session(engine) as session:
        return list(session.scalars(select(Notice).order_by(Notice.id)))


def states(engine: Engine) -> list[str]:
    """Return where they stand."""
    return [notice.state for notice in notices(engine)]


def add_webhook(engine: Engine, url: str, **values: Any) -> int:
    """Store a webhook in our own format, unless values say otherwise."""
    known = {"name": "partner", "url": url, "secret": "whsec-0123456789"}
    form = WebhookForm(**(known | values))
    with Session(engine) as session, session.begin():
        row = Webhook(
            **form.model_dump(),
            tries=0,
            error="",
            next_try_at=AT,
            created_by="admin",
            created_at=AT,
        )
        session.add(row)
        session.flush()
        return row.id


def webhook(engine: Engine) -> Webhook:
    """Return the only webhook."""
    with Session(engine) as session:
        return session.scalars(select(Webhook)).one()


def deliveries(engine: Engine) -> list[Delivery]:
    """Return all deliveries, oldest first."""
    with Session(engine) as session:
        return list(session.scalars(select(Delivery).order_by(Delivery.id)))
