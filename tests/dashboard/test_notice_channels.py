from __future__ import annotations

import pytest

from edgeclip_dashboard.notices.channels import channel_problem, fingerprint, masked, send
from support.brokers import free_port
from support.listeners import http_listener, smtp_listener


def test_a_web_server_is_told_title_and_body() -> None:
    with http_listener() as server:
        assert send(server.channel("in"), "leopard at ridge", "93 %\nalert") is None
        [heard] = server.heard
    assert heard.json()["title"] == "leopard at ridge"
    assert heard.json()["message"] == "93 %\nalert"


def test_a_mail_server_is_handed_a_letter_as_plain_text() -> None:
    with smtp_listener() as server:
        url = f"mailto://127.0.0.1:{server.port}?from=cam@example.org&to=ranger@example.org"
        assert send(url, "leopard <b>", "93 % <script>") is None
        [letter] = server.letters
    assert letter["Subject"] == "leopard <b>"
    assert letter["To"] == "ranger@example.org"
    assert letter.get_content_type() == "text/plain"
    assert "93 % <script>" in str(letter.get_payload(decode=False))


def test_what_a_server_refuses_is_told_with_its_reason() -> None:
    with http_listener() as server:
        server.status = 500
        reason = send(server.channel(), "title", "body")
    assert reason is not None
    assert "500" in reason


def test_a_redirect_is_not_followed_even_where_the_address_asks_for_it() -> None:
    with http_listener() as server:
        server.status, server.headers = 302, {"Location": "/elsewhere"}
        reason = send(server.channel("in?redirect=yes"), "title", "body")
        assert [heard.path for heard in server.heard] == ["/in"]
    assert reason is not None
    assert "302" in reason


def test_a_server_that_is_not_there_is_a_reason_without_what_is_secret() -> None:
    reason = send(f"json://user:passw0rd@127.0.0.1:{free_port()}/t0ken-t0ken", "title", "body")
    assert reason is not None
    assert "error" in reason
    assert "passw0rd" not in reason
    assert "t0ken" not in reason


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("tgram://123456789:abcdefg_hijklmnop-qrstuv/12315544", "Telegram (tgram://...)"),
        ("mailtos://me:passw0rd@mail.example.org", "E-Mail (mailtos://mail.example.org/...)"),
        ("ntfys://our-secret-topic", "ntfy (ntfys://...)"),
        ("jsons://h.example.org/t0ken?+X-Key=secret", "JSON (jsons://h.example.org/...)"),
    ],
)
def test_an_address_is_shown_without_what_is_secret(url: str, shown: str) -> None:
    assert channel_problem(url) is None
    assert masked(url) == shown


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ranger@example.org", "an address is SERVICE://"),
        ("carrier-pigeon://x", "an address is SERVICE://"),
        ("pigeon://x", "Apprise does not take this pigeon:// address"),
        ("dbus://x", "on the server alone"),
        ("json://x/" + "y" * 2000, "at most 2000 characters"),
    ],
)
def test_what_is_no_channel_is_refused_with_its_reason(url: str, problem: str) -> None:
    found = channel_problem(url)
    assert found is not None
    assert problem in found


def test_a_fingerprint_differs_with_the_address_and_is_none() -> None:
    first, second = fingerprint("tgram://1234:secret/1"), fingerprint("tgram://1234:secret/2")
    assert first != second
    assert len(first) == 12
    assert "secret" not in first
