"""A request to another system: bounded in time and in what is read, redirects not followed."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import httpx

from edgeclip_dashboard.webhooks.deadline import AnswerDeadline
from edgeclip_dashboard.webhooks.formats import Letter

_PATIENCE_S: Final = 10.0
_LONGEST_ANSWER_S: Final = 20.0  # one that comes by drops would hold up all other webhooks
_MOST_ANSWER: Final = 65_536
_MOST_REASON: Final = 300
_OF_CLOUDS: Final = frozenset({ipaddress.ip_address("fd00:ec2::254")})
_NEVER: Final = frozenset({400, 405, 409, 413, 415, 422})
"""Answers that say: not this one, whenever it comes. All others may change."""


@dataclass(frozen=True)
class Answer:
    """What became of a request.

    Attributes:
        reason: Why it was not taken, in one line, or None.
        is_final: The same request would never be taken.
        body: The answer's first 64 kB.
    """

    reason: str | None
    is_final: bool = False
    body: bytes = b""


Post = Callable[[Letter], Answer]


@contextmanager
def open_post(longest_answer_s: float = _LONGEST_ANSWER_S) -> Iterator[Post]:
    """Yield what sends requests, over connections that are kept until the end.

    Args:
        longest_answer_s: How long an answer may take from the end of the request to its own end.
    """
    deadline = AnswerDeadline(longest_answer_s)
    with httpx.Client(timeout=_PATIENCE_S, follow_redirects=False) as client:
        yield lambda letter: _post(client, letter, deadline)


def _post(client: httpx.Client, letter: Letter, deadline: AnswerDeadline) -> Answer:
    """Send a request and return what became of it; nothing is raised for what the other does."""
    if _is_link_local(letter.url):
        return Answer("a link-local address is no system of others: write its own")
    deadline.renew()
    try:
        with client.stream(
            letter.method,
            letter.url,
            headers=letter.headers,
            content=letter.body,
            extensions={"trace": deadline.trace},
        ) as response:
            body = _first_bytes(response, deadline)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        if deadline.is_over:
            return Answer(f"no whole answer within {deadline.longest_s:g} s")
        return Answer(_one_line(f"no answer: {type(error).__name__}: {error}"))
    finally:
        deadline.end()
    if response.is_success:
        return Answer(None, body=body)
    told = body.decode(errors="replace")
    where = " (redirects are not followed)" if response.is_redirect else ""
    reason = _one_line(f"answered {response.status_code}{where}: {told}")
    return Answer(reason, is_final=response.status_code in _NEVER)


def _is_link_local(url: str) -> bool:
    """Say whether an address leads to where a cloud tells a machine its own secrets."""
    host = urlsplit(url).hostname or ""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False  # the request will say so
    addresses = (_address(str(one[4][0])) for one in found)
    return any(address.is_link_local or address in _OF_CLOUDS for address in addresses)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return an address without its interface; one of IPv4 in the guise of IPv6 as itself."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def _first_bytes(response: httpx.Response, deadline: AnswerDeadline) -> bytes:
    """Return what came of a body; its status is known, and so half of one is enough."""
    body = bytearray()
    try:
        for part in response.iter_bytes():
            body += part
            if len(body) >= _MOST_ANSWER:
                break
    except httpx.HTTPError:
        if not deadline.is_over:
            raise
    return bytes(body[:_MOST_ANSWER])


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_MOST_REASON]
