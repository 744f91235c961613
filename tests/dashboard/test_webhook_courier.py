from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete
from sqlalchemy.orm import Session

from edgeclip_dashboard.models_notices import Webhook
from edgeclip_dashboard.webhooks.courier import Courier
from edgeclip_dashboard.webhooks.formats import Letter
from edgeclip_dashboard.webhooks.sending import Answer
from support.brokers import free_port
from support.dashboards import sample
from support.listeners import http_listener
from support.partners import SECRET, Partner, revision
from support.rules import add_webhook, deliveries, webhook

if TYPE_CHECKING:
    from dashboard.conftest import Desk


@pytest.fixture
def partner(desk: Desk) -> Iterator[Partner]:
    with http_listener() as server:
        yield Partner(desk, server)


def test_each_revision_is_sent_once_and_in_order(partner: Partner) -> None:
    partner.hook()
    first = sample()
    partner.store(first, revision(first, 1, "update"))
    partner.store(first, revision(first, 2, "end"))
    partner.later()
    partner.later(hours=1)
    documents = [heard.json() for heard in partner.server.heard]
    assert [document["detection"]["rev"] for document in documents] == [0, 1, 2]
    assert documents[0]["schema"] == "edgeclip.webhook/1"
    assert documents[0]["detection"]["detection_id"] == first.detection_id
    assert documents[0]["place"]["name"] == "ridge-2026"
    assert not {"features", "heat"} & set(documents[0]["detection"])
    assert partner.states() == ["sent"] * 3


def test_what_is_sent_is_signed(partner: Partner) -> None:
    partner.hook()
    partner.store(sample())
    partner.later()
    [heard] = partner.server.heard
    stamp, mac = heard.headers["edgeclip-signature"].split(",")
    at_s = stamp.removeprefix("t=")
    assert int(at_s) == int(partner.clock.at.timestamp())
    signed = at_s.encode() + b"." + heard.body
    expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert mac == f"v1={expected}"
    assert heard.headers["edgeclip-delivery"] == str(heard.json()["delivery_id"])
    assert SECRET.encode() not in heard.body


def test_a_webhook_that_fails_is_tried_later_and_order_is_kept(partner: Partner) -> None:
    partner.hook()
    partner.server.status = 503
    first = sample()
    partner.store(first, revision(first, 1, "end"))
    partner.later()
    partner.later(seconds=29)
    assert len(partner.server.heard) == 1
    row = webhook(partner.desk.engine)
    assert (row.tries, row.failing_since is not None) == (1, True)
    assert row.error == "answered 503: {}"
    partner.server.status = 200
    partner.later(seconds=1)
    assert [heard.json()["detection"]["rev"] for heard in partner.server.heard] == [0, 0, 1]
    row = webhook(partner.desk.engine)
    assert (row.tries, row.failing_since, row.error) == (0, None, "")


def test_what_is_refused_for_good_stops_none_of_the_others(partner: Partner) -> None:
    partner.hook()
    partner.server.status, partner.server.answer = 422, b"no such\nfield"
    partner.store(sample(seq=1), sample(seq=2))
    partner.later()
    assert len(partner.server.heard) == 2
    refused, _ = deliveries(partner.desk.engine)
    assert (refused.state, refused.error) == ("failed", "answered 422: no such field")
    assert webhook(partner.desk.engine).failing_since is None


def test_after_three_days_it_is_switched_off_with_its_reason(partner: Partner) -> None:
    partner.hook()
    partner.server.status = 401
    partner.store(sample())
    for _ in range(73):
        partner.later(hours=1)
    row = webhook(partner.desk.engine)
    assert not row.is_enabled
    assert row.error == "switched off after three days: answered 401: {}"
    count = len(partner.server.heard)
    partner.store(sample(seq=2))
    partner.later(hours=5)
    assert len(partner.server.heard) == count
    assert partner.states() == ["waiting"]


def test_a_redirect_is_not_followed(partner: Partner) -> None:
    partner.hook()
    partner.server.status, partner.server.headers = 307, {"Location": "/elsewhere"}
    partner.store(sample())
    partner.later()
    assert [heard.path for heard in partner.server.heard] == ["/in"]
    assert "redirects are not followed" in webhook(partner.desk.engine).error


def test_a_system_that_is_not_there_is_a_reason(partner: Partner) -> None:
    add_webhook(partner.desk.engine, f"http://127.0.0.1:{free_port()}/")
    partner.store(sample())
    partner.later()
    assert webhook(partner.desk.engine).error.startswith("no answer: ConnectError")
    assert partner.states() == ["waiting"]


def test_one_webhook_that_fails_keeps_no_other_waiting(partner: Partner) -> None:
    add_webhook(partner.desk.engine, f"http://127.0.0.1:{free_port()}/", name="gone")
    partner.hook()
    partner.store(sample())
    partner.later()
    assert len(partner.server.heard) == 1


def test_what_one_process_is_sending_another_leaves_alone(partner: Partner) -> None:
    partner.hook()
    partner.store(sample())
    other = Courier(partner.desk.engine, clock=partner.clock.now)
    sent: list[Letter] = []

    def send(letter: Letter) -> Answer:
        sent.append(letter)
        other.step()
        return Answer(None)

    Courier(
        partner.desk.engine, clock=partner.clock.now, open_send=lambda: nullcontext(send)
    ).step()
    assert len(sent) == 1
    assert partner.server.heard == []


def test_what_was_sent_is_forgotten_after_thirty_days(partner: Partner) -> None:
    partner.hook()
    partner.store(sample())
    partner.later()
    partner.later(days=29)
    assert partner.states() == ["sent"]
    partner.later(days=2)
    assert partner.states() == []


def test_a_webhook_that_was_removed_meanwhile_is_sent_no_further_batch(partner: Partner) -> None:
    hook_id = partner.hook()
    partner.store(*(sample(seq=seq) for seq in range(1, 26)))

    def send(letter: Letter) -> Answer:
        sent.append(letter)
        with Session(partner.desk.engine) as session, session.begin():
            session.execute(delete(Webhook).where(Webhook.id == hook_id))
        return Answer(None)

    sent: list[Letter] = []
    Courier(
        partner.desk.engine, clock=partner.clock.now, open_send=lambda: nullcontext(send)
    ).step()
    assert len(sent) == 20
