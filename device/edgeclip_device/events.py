"""What can happen to an uplink; everything reaches it through one queue."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Woken:
    """detect has committed something."""


@dataclass(frozen=True)
class StopAsked:
    """SIGTERM, or the end of a replay."""


@dataclass(frozen=True)
class Connected:
    """The broker accepted us.

    Attributes:
        session_present: Whether it still knew our MQTT session.
        maximum_packet: The largest message that it takes, bytes; None where it does not say.
    """

    session_present: bool
    maximum_packet: int | None = None


@dataclass(frozen=True)
class Disconnected:
    """There is no connection: it was refused, could not be made, or ended.

    Attributes:
        reason: In words, for the log.
        code: MQTT 5 reason code, or None where the network failed.
    """

    reason: str
    code: int | None = None


@dataclass(frozen=True)
class Answered:
    """PUBACK.

    Attributes:
        mid: Of the message, as `Link.publish` returned it.
        code: MQTT 5 reason code; from 0x80 on the broker refused.
        reason: In words.
    """

    mid: int
    code: int
    reason: str


@dataclass(frozen=True)
class SubscriptionRefused:
    """SUBACK with a failure."""

    reason: str


@dataclass(frozen=True)
class Subscribed:
    """SUBACK: all of it was granted."""


@dataclass(frozen=True)
class Arrived:
    """A message on a topic that we subscribed to.

    Attributes:
        retained: Whether the broker keeps it; with MQTT 3.1.1, whether it was there before us.
    """

    topic: str
    payload: bytes
    retained: bool = False


LinkEvent = Connected | Disconnected | Answered | SubscriptionRefused | Subscribed | Arrived


@dataclass(frozen=True)
class FromLink:
    """What happened on one connection; those of a connection that was given up are passed over."""

    link_id: int
    event: LinkEvent


Event = Woken | StopAsked | FromLink
