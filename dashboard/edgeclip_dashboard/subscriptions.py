"""What a link subscribes to: everything alone, or in a group its share and what all must hear."""

from __future__ import annotations

from dataclasses import dataclass

from edgeclip.contract.topics import ROOT, all_devices

_SHARED = ("detection/#", "media/#")
_HEARD_BY_ALL = ("status", "info", "health", "alarm/+", "log", "clockfix", "reply/+")


@dataclass(frozen=True)
class Subscriptions:
    """What one link asks the broker for.

    Attributes:
        filters: Topic filters, at QoS 1.
        dropped: Filters that an earlier configuration may have left in the session.
        suffix: Of the MQTT client id.
        keeps_session: Whether the broker keeps what arrives while we are away. It must not for a
            share: mosquitto goes on giving a share to a session that nobody is connected to.
        is_present: Whether the link says for the dashboard that it is there.
    """

    filters: tuple[str, ...]
    dropped: tuple[str, ...] = ()
    suffix: str = ""
    keeps_session: bool = True
    is_present: bool = True


def alone(project: str) -> Subscriptions:
    """Return what a dashboard without others subscribes to."""
    return Subscriptions((all_devices(project),))


def share(project: str, group: str) -> Subscriptions:
    """Return an instance's share: detections and media, each to one instance of the group."""
    filters = tuple(f"$share/{group}/{ROOT}/{project}/+/up/{kind}" for kind in _SHARED)
    return Subscriptions(filters, suffix="-share", keeps_session=False)


def heard_by_all(project: str) -> Subscriptions:
    """Return what each instance of a group must hear.

    A share gets no retained messages, and no order between instances; and the instance that sent
    a command waits for its reply.
    """
    filters = tuple(f"{ROOT}/{project}/+/up/{kind}" for kind in _HEARD_BY_ALL)
    return Subscriptions(filters, dropped=(all_devices(project),), is_present=False)
