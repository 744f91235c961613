"""Passwords: what is asked of one, its hash (argon2id), and one that is used once."""

from __future__ import annotations

import secrets
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

LEAST_CHARACTERS: Final = 12
MOST_CHARACTERS: Final = 256
_LETTERS: Final = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # none that looks like another
_HASHER: Final = PasswordHasher()  # RFC 9106's second choice: 64 MiB, three passes


def one_time_password() -> str:
    """Return a random password of 79 bits, in four groups that can be read aloud."""
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))
    return "-".join(groups)


def password_problem(password: str, name: str) -> str | None:
    """Return what is wrong with a password that a person chose, or None.

    Args:
        password: What was chosen.
        name: Of the account.
    """
    if len(password) < LEAST_CHARACTERS:
        return f"A password has at least {LEAST_CHARACTERS} characters."
    if len(password) > MOST_CHARACTERS:
        return f"A password has at most {MOST_CHARACTERS} characters."
    if name.casefold() in password.casefold():
        return "A password does not contain the account's name."
    if len(set(password)) < 5:
        return "A password has at least 5 different characters."
    return None


def hash_password(password: str) -> str:
    """Return the argon2id hash with its salt and costs; takes about 0.1 s and 64 MiB."""
    return _HASHER.hash(password)


def is_right(password: str, password_hash: str | None) -> bool:
    """Say whether a password belongs to a hash.

    Args:
        password: As typed.
        password_hash: Of the account; None where there is none, which takes as long to say.
    """
    if len(password) > MOST_CHARACTERS:
        return False
    try:
        return _HASHER.verify(password_hash or _nobodys_hash(), password)
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(password_hash: str) -> bool:
    """Say whether a hash was made at other costs than today's."""
    return _HASHER.check_needs_rehash(password_hash)


@cache
def _nobodys_hash() -> str:
    return _HASHER.hash(secrets.token_urlsafe(32))
