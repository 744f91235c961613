"""What every message must be before it is believed: of its model, finite, and storable."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from edgeclip.contract.validation import explain

LARGEST_INTEGER: Final = 2**63 - 1  # of a database's BIGINT
_ERA: Final = (
    datetime(1970, 1, 1, tzinfo=timezone.utc),
    datetime(9000, 1, 1, tzinfo=timezone.utc),
)
_NUL: Final = b"\\u0000"  # JSON's escape; PostgreSQL stores no NUL in text
MessageT = TypeVar("MessageT", bound=BaseModel)


class RefusedError(Exception):
    """Why a message is malformed."""


def checked(model: type[MessageT], payload: bytes, most_bytes: int) -> MessageT:
    """Return a message that a database can hold.

    Args:
        model: What it should be.
        payload: Its JSON, of any length and content.
        most_bytes: How long it may be.

    Raises:
        RefusedError: It is longer, no JSON of the model, or holds text, a time or a number that
            cannot be stored.
    """
    if len(payload) > most_bytes:
        raise RefusedError(f"{len(payload)} bytes, allowed are {most_bytes}")
    if _NUL in payload:
        raise RefusedError("text with a NUL character")
    try:
        message = model.model_validate_json(payload)
    except ValidationError as error:
        raise RefusedError(explain(error, model, model.__name__.lower())) from error
    _check_fields(message)
    return message


def _check_fields(message: BaseModel) -> None:
    for name in type(message).model_fields:
        _check(name, getattr(message, name))


def _check(name: str, value: object) -> None:
    """Refuse what a database cannot hold, and times that no clock of a device can show.

    Such a time would break a page or an export wherever it is put into another zone.
    """
    if isinstance(value, BaseModel):
        _check_fields(value)
    elif isinstance(value, datetime):
        if not _ERA[0] <= value < _ERA[1]:
            raise RefusedError(f"{name} is outside of what a clock can show")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise RefusedError(f"{name} is not a finite number")
    elif isinstance(value, int):
        if not -LARGEST_INTEGER <= value <= LARGEST_INTEGER:
            raise RefusedError(f"{name}: a number is too large to be stored")
    elif isinstance(value, dict):
        _check_all(name, value.values())
    elif isinstance(value, (list, tuple)):
        _check_all(name, value)


def _check_all(name: str, values: Iterable[object]) -> None:
    for value in values:
        _check(name, value)
