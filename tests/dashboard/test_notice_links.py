from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from edgeclip_dashboard.notices.links import Links, link_key
from support.clocks import StandingClock

if TYPE_CHECKING:
    from dashboard.conftest import Desk


def _parts(link: str) -> tuple[int, int, str]:
    values = parse_qs(urlsplit(link).query)
    return int(values["notice"][0]), int(values["until"][0]), values["token"][0]


def test_a_link_is_good_for_its_notice_and_for_seven_days(desk: Desk) -> None:
    clock = StandingClock()
    links = Links(link_key(desk.engine), clock.now)
    link = links.make("https://cams.example.org", 7)
    assert link.startswith("https://cams.example.org/acknowledge?notice=7&until=")
    notice, until, token = _parts(link)
    assert links.is_valid(notice, until, token)
    assert not links.is_valid(8, until, token)
    assert not links.is_valid(notice, until + 1, token)
    assert not links.is_valid(notice, until, token[:-1] + "\u00e9")
    clock.at += timedelta(days=7)
    assert not links.is_valid(notice, until, token)


def test_the_key_is_the_databases_own_and_stays(desk: Desk) -> None:
    key = link_key(desk.engine)
    assert len(key) == 32
    assert link_key(desk.engine) == key
    assert not Links(bytes(32), StandingClock().now).is_valid(
        *_parts(Links(key, StandingClock().now).make("https://x", 1))
    )
