"""Signed links by which somebody without a session can say: I have seen it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from edgeclip_dashboard.batch import Batch
from edgeclip_dashboard.models import Meta

LINK_PATH: Final = "/acknowledge"
_KEY_NAME: Final = "acknowledge_key"
_VALID_FOR: Final = timedelta(days=7)


def link_key(engine: Engine) -> bytes:
    """Return the database's own key for links, made at the first call; 32 bytes.

    Raises:
        SQLAlchemyError: The database cannot be read or written.
    """
    with Session(engine) as session, session.begin():
        drawn = {"key": _KEY_NAME, "value": secrets.token_hex(32)}
        Batch(session).insert_once(Meta, drawn)
        return bytes.fromhex(session.get_one(Meta, _KEY_NAME).value)


class Links:
    """Makes links and checks them.

    Args:
        key: What `link_key` gave.
        clock: Gives the time now, aware UTC.
    """

    def __init__(self, key: bytes, clock: Callable[[], datetime]) -> None:
        self._key = key
        self._clock = clock

    def make(self, dashboard: str, notice_id: int) -> str:
        """Return the address that acknowledges one notice; good for seven days.

        Args:
            dashboard: How people reach the dashboard, without a slash at the end.
            notice_id: Of the notice.
        """
        until = int((self._clock() + _VALID_FOR).timestamp())
        token = self._token(notice_id, until)
        return f"{dashboard}{LINK_PATH}?notice={notice_id}&until={until}&token={token}"

    def is_valid(self, notice_id: int, until: int, token: str) -> bool:
        """Say whether a link was made here for this notice and its time is not over."""
        is_ours = hmac.compare_digest(self._token(notice_id, until).encode(), token.encode())
        return is_ours and self._clock().timestamp() < until

    def _token(self, notice_id: int, until: int) -> str:
        said = f"edgeclip acknowledge {notice_id} {until}".encode()
        made = hmac.new(self._key, said, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(made).decode().rstrip("=")
