"""What instances on one PostgreSQL must not do at the same time; one on SQLite is alone.

Revisions and media of one detection go to several instances: they take turns by the detection, so
that of a snapshot and its announcement the later sees the earlier, and gives the receipt. A row
that two insert all the same makes the later try again. What a device says of itself all instances
hear at the same moment, and they look before they write: they take turns by the device.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import BigInteger, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from edgeclip_dashboard.instances import lock_key
from edgeclip_dashboard.messages import (
    DetectionMessage,
    Incoming,
    InfoMessage,
    MediaMessage,
    StatusMessage,
)
from edgeclip_dashboard.messages_field import (
    AlarmMessage,
    ClockFixMessage,
    HealthMessage,
    LogMessage,
    ReplyMessage,
)

_DEADLOCK, _SERIALISATION = "40P01", "40001"


def take_turns(session: Session, messages: Sequence[Incoming]) -> None:
    """Wait, first thing in a transaction, for the instances that store what must not cross.

    Args:
        session: A transaction that has done nothing yet; the turn ends with it.
        messages: What is to be stored.
    """
    if session.get_bind().dialect.name != "postgresql":
        return
    keys = sorted({lock_key(what) for message in messages for what in _alone(message)})
    shared = sorted({lock_key(what) for message in messages for what in _beside(message)})
    for function, numbers in (
        ("pg_advisory_xact_lock", keys),
        ("pg_advisory_xact_lock_shared", shared),
    ):
        if numbers:  # in their order, so that two instances never wait for one another
            statement = text(f"SELECT {function}(key) FROM unnest(:keys) AS key")
            keyed = statement.bindparams(bindparam("keys", type_=ARRAY(BigInteger)))
            session.execute(keyed, {"keys": numbers})


def turn_of(session: Session, what: str) -> None:
    """Wait until no other instance does the same; the turn ends with the transaction."""
    if session.get_bind().dialect.name == "postgresql":
        key = {"key": lock_key(what)}
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), key)


def is_crossing(error: Exception) -> bool:
    """Say whether another instance was in the way, so that the same batch is worth a new try."""
    if isinstance(error, IntegrityError):
        return True
    state = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
    return state in (_DEADLOCK, _SERIALISATION)


def _alone(message: Incoming) -> Iterator[str]:
    if isinstance(message, DetectionMessage):
        yield f"detection {message.detection.detection_id}"
    elif isinstance(message, MediaMessage):
        yield f"detection {message.detection_id}"
    elif isinstance(message, StatusMessage | AlarmMessage):
        yield f"device {message.device_id}"
    elif isinstance(message, InfoMessage):
        yield f"device {message.info.device_id}"
    elif isinstance(message, HealthMessage):
        yield f"device {message.health.device_id}"
    elif isinstance(message, LogMessage):
        yield f"device {message.log.device_id}"
    elif isinstance(message, ReplyMessage):
        yield f"device {message.reply.device_id}"
    elif isinstance(message, ClockFixMessage):
        yield f"boot {message.fix.boot_id}"


def _beside(message: Incoming) -> Iterator[str]:
    """A detection whose time is not right yet waits for nothing but the fix of its boot."""
    if isinstance(message, DetectionMessage) and not message.detection.time.clock.trusted:
        yield f"boot {message.detection.boot_id}"
