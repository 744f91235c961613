from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from edgeclip_dashboard.passwords import (
    hash_password,
    is_outdated,
    is_right,
    one_time_password,
    password_problem,
)

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def test_a_password_is_right_for_its_own_hash_alone() -> None:
    kept = hash_password("leopards walk at night")
    assert kept.startswith("$argon2id$")
    assert "leopard" not in kept
    assert is_right("leopards walk at night", kept)
    assert not is_right("leopards walk at nigh", kept)
    assert hash_password("leopards walk at night") != kept


def test_no_password_is_right_where_there_is_no_account_or_no_hash() -> None:
    assert not is_right("anything", None)
    assert not is_right("", "not a hash")


def test_a_password_of_endless_length_is_not_even_hashed() -> None:
    long = "ab" * 500
    assert not is_right(long, CHEAP.hash(long))


def test_a_hash_of_lower_costs_is_outdated() -> None:
    assert is_outdated(CHEAP.hash("leopards walk at night"))
    assert not is_outdated(hash_password("leopards walk at night"))


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("short", "at least 12 characters"),
        ("x" * 257, "at most 256 characters"),
        ("Jane-is-the-warden", "the account's name"),
        ("abababababababab", "at least 5 different"),
        ("leopards walk at night", None),
    ],
)
def test_what_is_asked_of_a_password_is_told(password: str, problem: str | None) -> None:
    told = password_problem(password, "jane")
    assert (told is None) if problem is None else (problem in (told or ""))


def test_one_time_passwords_are_four_groups_and_differ() -> None:
    drawn = {one_time_password() for _ in range(50)}
    assert len(drawn) == 50
    assert all(len(group) == 4 for password in drawn for group in password.split("-"))
    assert not {"0", "O", "1", "I", "L"} & set("".join(drawn))
