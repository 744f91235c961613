"""Accounts, sessions and tokens on a real SQLite file, and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from edgeclip.errors import ConfigError, DashboardError
from edgeclip_dashboard.accounts import (
    add_account,
    add_first_admin,
    all_accounts,
    change_password,
    change_role,
    disable_account,
    find_account,
    reset_password,
)
from edgeclip_dashboard.api_tokens import add_token, all_tokens, identity_of_token, revoke_token
from edgeclip_dashboard.deeds import COMMAND_LINE, newest_deeds, note
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.models_people import ApiToken, SignIn
from edgeclip_dashboard.passwords import is_right
from edgeclip_dashboard.sessions import (
    Lifetimes,
    end_all_sessions,
    end_session,
    find_session,
    is_to_be_noted,
    note_seen,
    open_session,
)

NOW = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
WARDEN = Identity("warden", "admin")
LASTING = Lifetimes(idle=timedelta(hours=12), longest=timedelta(days=7))


@pytest.fixture
def session(either_engine: Engine) -> Iterator[Session]:
    with Session(either_engine) as opened, opened.begin():
        yield opened


def _deeds(session: Session) -> list[tuple[str, str, str]]:
    session.flush()
    rows = reversed(newest_deeds(session, 100))
    return [(row.account_name, row.deed, row.subject) for row in rows]


def test_the_first_start_makes_an_admin_whose_password_must_be_changed(session: Session) -> None:
    password = add_first_admin(session, NOW)
    [account] = all_accounts(session)
    assert password is not None
    assert is_right(password, account.password_hash)
    assert (account.name, account.role, account.must_change) == ("admin", "admin", True)
    assert add_first_admin(session, NOW) is None


def test_a_name_is_kept_in_small_letters_and_once(session: Session) -> None:
    add_account(session, WARDEN, " Jane@Reserve.org ", "viewer", NOW)
    assert find_account(session, "JANE@reserve.ORG").name == "jane@reserve.org"
    with pytest.raises(ConfigError, match=r"there is an account jane@reserve\.org"):
        add_account(session, WARDEN, "jane@reserve.org", "admin", NOW)


@pytest.mark.parametrize("name", ["", "-jane", "jane doe", "j" * 65, "jäne", "<b>", "a\nb"])
def test_what_is_no_name_is_refused(session: Session, name: str) -> None:
    with pytest.raises(ConfigError, match="is no name of an account or token"):
        add_account(session, WARDEN, name, "viewer", NOW)


def test_the_last_admin_can_neither_be_disabled_nor_lose_the_role(session: Session) -> None:
    add_first_admin(session, NOW)
    with pytest.raises(DashboardError, match="the last admin: make another"):
        disable_account(session, WARDEN, "admin", NOW)
    with pytest.raises(DashboardError, match="the last admin: make another"):
        change_role(session, WARDEN, "admin", "viewer", NOW)
    add_account(session, WARDEN, "jane", "admin", NOW)
    disable_account(session, WARDEN, "admin", NOW)
    assert find_account(session, "admin").is_disabled


def test_who_is_not_there_is_told_with_where_to_look(session: Session) -> None:
    with pytest.raises(ConfigError, match=r"there is no account 'jane': .* account list"):
        reset_password(session, WARDEN, "jane", NOW)
    with pytest.raises(ConfigError, match=r"there is no token 'r': .* token list"):
        revoke_token(session, WARDEN, "r", NOW)


def test_every_change_ends_the_sessions_of_the_account_and_leaves_a_deed(
    session: Session,
) -> None:
    add_first_admin(session, NOW)
    add_account(session, WARDEN, "jane", "viewer", NOW)
    jane = find_account(session, "jane")
    changes: list[Callable[[], object]] = [
        lambda: change_role(session, WARDEN, "jane", "reviewer", NOW),
        lambda: reset_password(session, WARDEN, "jane", NOW),
        lambda: change_password(session, jane, "leopards walk at night", NOW),
        lambda: disable_account(session, WARDEN, "jane", NOW),
    ]
    for change in changes:
        open_session(session, jane, LASTING, NOW)
        change()
        assert session.scalars(select(SignIn)).all() == []
    assert _deeds(session)[1:] == [
        ("warden", "account added", "jane, viewer"),
        ("warden", "role changed", "jane, reviewer"),
        ("warden", "password reset", "jane"),
        ("jane", "password changed", "jane"),
        ("warden", "account disabled", "jane"),
    ]


def test_a_reset_enables_a_disabled_account(session: Session) -> None:
    add_account(session, WARDEN, "jane", "viewer", NOW)
    disable_account(session, WARDEN, "jane", NOW)
    password = reset_password(session, WARDEN, "jane", NOW)
    jane = find_account(session, "jane")
    assert (jane.is_disabled, jane.must_change) == (False, True)
    assert is_right(password, jane.password_hash)


def _token(session: Session) -> str:
    add_account(session, WARDEN, "jane", "reviewer", NOW)
    return open_session(session, find_account(session, "jane"), LASTING, NOW)


def test_a_session_is_found_by_its_token_which_is_not_kept(session: Session) -> None:
    token = _token(session)
    found = find_session(session, token, LASTING, NOW)
    assert found is not None
    assert (found.name, found.role, found.must_change) == ("jane", "reviewer", True)
    [row] = session.scalars(select(SignIn))
    assert token not in (row.token_sha256, row.csrf)
    assert find_session(session, row.token_sha256, LASTING, NOW) is None
    assert find_session(session, "", LASTING, NOW) is None


def test_a_session_ends_when_idle_and_in_any_case_at_its_end(session: Session) -> None:
    token = _token(session)
    last = NOW + timedelta(hours=12) - timedelta(seconds=1)
    assert find_session(session, token, LASTING, last)
    assert find_session(session, token, LASTING, NOW + timedelta(hours=12)) is None
    for hours in range(6, 7 * 24, 6):
        note_seen(session, token, NOW + timedelta(hours=hours))
    assert find_session(session, token, LASTING, NOW + timedelta(days=7, seconds=-1))
    assert find_session(session, token, LASTING, NOW + timedelta(days=7)) is None


def test_a_session_is_noted_as_in_use_once_a_minute(session: Session) -> None:
    found = find_session(session, _token(session), LASTING, NOW)
    assert found is not None
    assert not is_to_be_noted(found, NOW + timedelta(seconds=59))
    assert is_to_be_noted(found, NOW + timedelta(seconds=60))


def test_a_session_of_a_disabled_account_is_none(session: Session) -> None:
    token = _token(session)
    find_account(session, "jane").is_disabled = True
    assert find_session(session, token, LASTING, NOW) is None


def test_one_session_can_end_or_all_and_old_ones_are_removed(session: Session) -> None:
    token = _token(session)
    jane = find_account(session, "jane")
    other = open_session(session, jane, LASTING, NOW)
    end_session(session, token)
    assert find_session(session, token, LASTING, NOW) is None
    assert find_session(session, other, LASTING, NOW)
    end_all_sessions(session, jane.id)
    assert find_session(session, other, LASTING, NOW) is None
    open_session(session, jane, LASTING, NOW)
    open_session(session, jane, LASTING, NOW + timedelta(days=8))
    assert len(session.scalars(select(SignIn)).all()) == 1


def test_a_token_opens_for_its_time_and_is_kept_as_a_hash(session: Session) -> None:
    day = timedelta(days=1)
    token = add_token(session, WARDEN, "Reports", "viewer", lifetime=day, at=NOW)
    assert token.startswith("edgeclip_")
    assert identity_of_token(session, token, NOW) == Identity("token reports", "viewer")
    assert identity_of_token(session, token, NOW + day) is None
    assert identity_of_token(session, token[:-1], NOW) is None
    [row] = session.scalars(select(ApiToken))
    assert row.token_sha256 not in token
    revoke_token(session, WARDEN, "reports", NOW)
    assert identity_of_token(session, token, NOW) is None
    assert all_tokens(session) == []
    assert [deed for _, deed, _ in _deeds(session)] == ["token added", "token revoked"]


def test_no_token_is_an_admins_and_no_name_is_taken_twice(session: Session) -> None:
    day = timedelta(days=1)
    with pytest.raises(ConfigError, match="a token is a viewer's or a reviewer's"):
        add_token(session, WARDEN, "all", "admin", lifetime=day, at=NOW)
    with pytest.raises(ConfigError, match="is no role"):
        add_token(session, WARDEN, "all", "owner", lifetime=day, at=NOW)
    add_token(session, WARDEN, "reports", "viewer", lifetime=day, at=NOW)
    with pytest.raises(ConfigError, match="there is a token reports"):
        add_token(session, WARDEN, "reports", "viewer", lifetime=day, at=NOW)


def test_deeds_are_read_in_pages_from_the_newest(session: Session) -> None:
    for number in range(5):
        note(session, COMMAND_LINE, "tried", str(number), NOW + timedelta(minutes=number))
    session.flush()
    first = newest_deeds(session, 2)
    assert [row.subject for row in first] == ["4", "3"]
    assert [row.subject for row in newest_deeds(session, 9, before=first[-1].id)] == ["2", "1", "0"]
