"""What was asked of a device, and what it said, as the pages show it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from edgeclip_dashboard.field_writers import FINAL_STATES
from edgeclip_dashboard.models_field import CommandRow

_MOST: Final = 25
_MOST_SENT: Final = 300
_JPEG: Final = b"\xff\xd8\xff"
_MOST_DATA: Final = 400  # characters of data that a line shows


@dataclass(frozen=True)
class AskedView:
    """A command and the newest reply to it; times are aware UTC."""

    command_id: str
    device_id: str
    name: str
    args: str
    account_name: str
    issued_at: datetime
    not_after: datetime
    state: str
    reason: str
    data: str
    replied_at: datetime | None

    def said(self, now: datetime) -> str:
        """Return what became of it, in a few words."""
        if self.state == "sent":
            return "no answer yet" if now <= self.not_after else "never answered"
        if self.state == "receiving":
            return f"receiving, {self._percent()} %"
        if self.is_final or now <= self.not_after:
            return self.state
        return f"{self.state}, and no end came"

    @property
    def is_final(self) -> bool:
        """Whether nothing more comes."""
        return self.state in FINAL_STATES

    @property
    def sha256(self) -> str:
        """Of the delivery, where a pack was sent; else empty."""
        return str(json.loads(self.args).get("sha256", ""))

    @property
    def packs(self) -> str:
        """What the device says to have taken in, as its answer names it; else empty."""
        return str(self._data().get("packs", ""))

    @property
    def sha256_told(self) -> str:
        """Of the desired state that the device has since, as its answer says; else empty."""
        return str(self._data().get("sha256", ""))

    def arguments(self) -> str:
        """Return what was asked, as `on 0.7, class_name leopard`; None is left out."""
        given: dict[str, Any] = json.loads(self.args)
        return ", ".join(
            f"{name} {_plain(value)}" for name, value in given.items() if value is not None
        )

    def snapshot(self) -> str | None:
        """Return the picture that came as an answer, as base64 of a JPEG; None without one."""
        text = self._data().get("jpeg")
        if self.name != "snapshot" or not isinstance(text, str):
            return None
        try:
            is_jpeg = base64.b64decode(text, validate=True).startswith(_JPEG)
        except ValueError:
            return None
        return text if is_jpeg else None

    def lines(self) -> list[str]:
        """Return the lines of a log that came as an answer."""
        lines = self._data().get("lines")
        return [str(line) for line in lines] if isinstance(lines, list) else []

    def details(self) -> str:
        """Return everything else that was said, short enough for a line."""
        rest = {
            name: value
            for name, value in self._data().items()
            if name not in ("jpeg", "lines", "received", "sha256")
        }
        told = ", ".join(f"{name} {_plain(value)}" for name, value in rest.items())
        silent = "no lines" if self._data().get("lines") == [] else ""
        parts = [part for part in (self.reason, told, silent) if part]
        return " · ".join(parts)[:_MOST_DATA]

    def _data(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.data)
        return data

    def _percent(self) -> int:
        size: int = json.loads(self.args).get("size_bytes", 0)
        received = self._data().get("received", 0)
        if not isinstance(received, int) or not size:
            return 0
        return max(0, min(100, 100 * received // size))


def _plain(value: object) -> str:
    """Return a value as people write it; what is unknown inside of one is left out."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        known = {name: own for name, own in value.items() if own is not None}
        return f"({', '.join(f'{name} {_plain(own)}' for name, own in known.items())})"
    if isinstance(value, list) and all(isinstance(own, str) for own in value):
        return " and ".join(value) or "none"
    return json.dumps(value)


def read_asked(session: Session, device_id: str) -> tuple[AskedView, ...]:
    """Return the newest commands to a device, the newest first."""
    return _views(session, CommandRow.device_id == device_id, _MOST)


def read_sent_packs(session: Session) -> tuple[AskedView, ...]:
    """Return the packs that were sent to any device, the newest first."""
    return _views(session, CommandRow.name == "pack_add", _MOST_SENT)


def _views(session: Session, condition: ColumnElement[bool], most: int) -> tuple[AskedView, ...]:
    query = select(CommandRow).where(condition).order_by(CommandRow.issued_at.desc()).limit(most)
    return tuple(asked_view(row) for row in session.scalars(query))


def asked_view(row: CommandRow) -> AskedView:
    """Return a command as the pages show it."""
    names = AskedView.__dataclass_fields__
    return AskedView(**{name: getattr(row, name) for name in names})
