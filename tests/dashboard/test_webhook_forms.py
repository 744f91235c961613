from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from edgeclip_dashboard.webhooks.forms import WebhookForm

SITE = "https://site.pamdas.org/api/v1.0/activity/events"
GUNDI = "https://sensors.api.gundiservice.org/v2/events/"


def _form(**values: Any) -> WebhookForm:
    known = {"name": "partner", "url": "https://partner.example.org/in", "secret": "s3cret-s3cret"}
    return WebhookForm(**(known | values))


def test_a_webhook_of_each_format_is_taken() -> None:
    assert _form().format == "edgeclip"
    assert _form(url=SITE, format="earthranger", event_type="leopard_rep").url == SITE
    assert _form(url=GUNDI, format="gundi", event_type="camera_trap").url == GUNDI


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"url": "ftp://partner.example.org"}, "an address is https://NAME/PATH"),
        ({"url": "https://me:pw@partner.example.org"}, "no user name, password"),
        ({"secret": "short"}, "at least 8 characters"),
        ({"secret": "two lines\nX-Injected: 1"}, "pattern"),
        ({"url": GUNDI, "format": "earthranger", "event_type": "x"}, "ends in /activity/events"),
        ({"url": SITE, "format": "earthranger"}, "needs the event type"),
        (
            {"url": SITE.replace("https", "http"), "format": "earthranger", "event_type": "x"},
            "write https://",
        ),
    ],
)
def test_a_wrong_webhook_says_what_is_wrong(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        _form(**values)


def test_its_text_shows_no_secret() -> None:
    assert "s3cret" not in repr(_form())
