"""Where people are told: any address that Apprise knows; the one import of Apprise.

An address holds tokens and passwords. What leaves this file names its service, never the address.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from apprise import NotifyBase

MOST_URL: Final = 2000
_PATIENCE_S: Final = 20.0
_MOST_REASON: Final = 300
_OF_A_DESK: Final = frozenset({"dbus", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows"})
"""What would show a message on the server itself, where nobody sits."""
_WITH_A_HOST: Final = frozenset(
    {"form", "forms", "json", "jsons", "mailto", "mailtos", "xml", "xmls"}
)
"""Where the address's host is a server's name; elsewhere it may be a token."""

Send = Callable[[str, str, str], "str | None"]
"""Tells a channel a title and a body; returns why it did not take them, or None."""


def channel_problem(url: str) -> str | None:
    """Return why an address cannot be a channel, in words without the address, or None."""
    scheme = _scheme(url)
    if not scheme:
        return "an address is SERVICE://..., such as mailtos://, ntfys://, tgram:// or jsons://"
    if scheme in _OF_A_DESK:
        return f"{scheme}:// would show messages on the server alone: name a service"
    if len(url) > MOST_URL:
        return f"an address has at most {MOST_URL} characters"
    return None if _service(url) else f"Apprise does not take this {scheme}:// address"


def masked(url: str) -> str:
    """Return what may be shown of an address: its service, and the server where that is no token.

    `Telegram (tgram://...)`, `E-Mail (mailtos://mail.example.org/...)`.
    """
    scheme = _scheme(url)
    service = _service(url)
    name = str(service.service_name) if service and service.service_name else "unknown service"
    host = _host(url) if scheme in _WITH_A_HOST else ""
    return f"{name} ({scheme}://{f'{host}/' if host else ''}...)"


def fingerprint(url: str) -> str:
    """Return what an address is known by where it must not be kept: 12 hex digits."""
    return hashlib.sha256(url.encode()).hexdigest()[:12]


def send(url: str, title: str, body: str) -> str | None:
    """Tell a channel; waits 20 s at the most.

    Args:
        url: Its address.
        title: One line.
        body: Plain text.

    Returns:
        None if it took the message, else why not: one line without the address.
    """
    from apprise import Apprise, NotifyFormat

    service = _service(url)
    if service is None:
        return channel_problem(url) or "not an address"
    teller = Apprise()
    teller.add(service)
    result = teller.notify(body, title=title, body_format=NotifyFormat.TEXT)
    if result:
        return None
    told = [entry.message for entry in result.logs() if entry.level in ("WARNING", "ERROR")]
    return _without_secrets(told[-1] if told else f"no answer within {_PATIENCE_S:.0f} s", url)


def _service(url: str) -> NotifyBase | None:
    """Return what Apprise makes of an address; the first call takes a second and 30 MB."""
    from apprise import Apprise, AppriseAsset, NotifyBase
    from apprise.common import PersistentStoreMode

    asset = AppriseAsset(
        app_id="edgeclip",
        app_desc="edgeclip",
        http_redirects=False,
        storage_mode=PersistentStoreMode.MEMORY,
        service_timeout=_PATIENCE_S,
    )
    service = Apprise.instantiate(url, asset=asset) if _scheme(url) else None
    if not isinstance(service, NotifyBase):
        return None
    service.redirects = False  # an address may ask for them, and they may lead anywhere
    return service


def _scheme(url: str) -> str:
    found = re.match(r"([A-Za-z][A-Za-z0-9]*)://\S", url)
    return found.group(1).lower() if found else ""


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _without_secrets(reason: str, url: str) -> str:
    """Return a reason in one line, in which nothing that stands in the address is repeated."""
    known = _host(url) if _scheme(url) in _WITH_A_HOST else ""
    parts = {unquote(part) for part in re.split(r"[/:@?&=,]", url)} | set(re.split(r"[/?&=]", url))
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= 5 and part != known:
            reason = reason.replace(part, "...")
    return " ".join(reason.split())[:_MOST_REASON]
