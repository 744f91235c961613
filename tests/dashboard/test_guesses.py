from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from edgeclip_dashboard.database import database_url, open_database
from edgeclip_dashboard.guesses import forget_tries, network_of, note_try, seconds_to_wait

NOW = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
HERE = "192.0.2.7"


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    url = database_url(str(tmp_path / "d.sqlite"))
    with (
        open_database(url, project="demo") as engine,
        Session(engine) as opened,
        opened.begin(),
    ):
        yield opened


def test_three_wrong_passwords_are_free_then_each_wait_is_twice_as_long(session: Session) -> None:
    now, waits = NOW, []
    for _ in range(12):
        waits.append(seconds_to_wait(session, "jane", HERE, now))
        now += timedelta(seconds=waits[-1])
        assert seconds_to_wait(session, "jane", HERE, now) == 0
        note_try(session, "jane", f"192.0.2.{len(waits)}", now)
    assert waits == [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_name_is_guessed_slowly_from_everywhere_and_in_any_case(session: Session) -> None:
    for number in range(6):
        note_try(session, " JANE", f"198.51.100.{number}", NOW)
    assert seconds_to_wait(session, "jane", HERE, NOW) == 8
    assert seconds_to_wait(session, "john", HERE, NOW) == 0


def test_one_address_guesses_slowly_whatever_the_names(session: Session) -> None:
    for number in range(30):
        note_try(session, f"name{number}", HERE, NOW)
    assert seconds_to_wait(session, "jane", HERE, NOW) == 900
    assert seconds_to_wait(session, "jane", "192.0.2.8", NOW) == 0


def test_a_right_password_forgets_the_name_and_not_what_the_address_tried(
    session: Session,
) -> None:
    for number in range(12):
        note_try(session, f"name{number}", HERE, NOW)
    number = note_try(session, "jane", HERE, NOW)
    before = seconds_to_wait(session, "jane", HERE, NOW)
    forget_tries(session, "jane", number)
    after = seconds_to_wait(session, "jane", HERE, NOW)
    assert (before, after) == (8, 4)


def test_wrong_passwords_are_forgotten_after_an_hour(session: Session) -> None:
    for _ in range(9):
        note_try(session, "jane", HERE, NOW)
    assert seconds_to_wait(session, "jane", HERE, NOW + timedelta(minutes=59)) == 0
    note_try(session, "jane", HERE, NOW + timedelta(minutes=59))
    assert seconds_to_wait(session, "jane", HERE, NOW + timedelta(minutes=59)) == 60
    assert seconds_to_wait(session, "jane", HERE, NOW + timedelta(minutes=61)) == 0


@pytest.mark.parametrize(
    ("address", "counts_for"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::1", "::1"),
        ("unknown", "unknown"),
    ],
)
def test_a_network_of_ipv6_counts_as_one(address: str, counts_for: str) -> None:
    assert network_of(address) == counts_for
