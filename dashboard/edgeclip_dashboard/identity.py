"""Who asks: a name and a role, put into each request by the guard before any page or route runs."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

Role = Literal["viewer", "reviewer", "admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
"""From least to most: each may do what those before it may."""

_KEY = "edgeclip.identity"
_CSRF_KEY = "edgeclip.csrf"


@dataclass(frozen=True)
class Identity:
    """A person who is signed in."""

    name: str
    role: Role

    def may(self, needed: Role) -> bool:
        """Say whether this person's role is enough."""
        return ROLES.index(self.role) >= ROLES.index(needed)


def put_identity(scope: MutableMapping[str, Any], identity: Identity) -> None:
    """Note in an ASGI scope who asks; for the guard alone."""
    scope[_KEY] = identity


def identity_of(scope: MutableMapping[str, Any]) -> Identity:
    """Return who asks; `request.scope` of a route or page.

    Raises:
        KeyError: The guard has not run: a fault of ours, and no page may be given out.
    """
    identity: Identity = scope[_KEY]
    return identity


def has_identity(scope: MutableMapping[str, Any]) -> bool:
    """Say whether somebody is signed in, on a path that is open to strangers."""
    return _KEY in scope


def put_csrf(scope: MutableMapping[str, Any], csrf: str) -> None:
    """Note in an ASGI scope what this visitor's forms must send back; for the guard alone."""
    scope[_CSRF_KEY] = csrf


def csrf_of(scope: MutableMapping[str, Any]) -> str:
    """Return what a form of this visitor must send back; empty where nobody is signed in."""
    csrf: str = scope[_CSRF_KEY]
    return csrf
