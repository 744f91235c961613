"""What people are told: a title of one line and a plain text."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from edgeclip_dashboard.notices.claims import Claimed, Told
from edgeclip_dashboard.wording import amount, local, percent

_MOST_LINES: Final = 20


@dataclass(frozen=True)
class Addresses:
    """Where links in a message lead.

    Attributes:
        dashboard: How people reach the dashboard, without a slash at the end, or None: no links.
        acknowledge: Gives the link that acknowledges a notice.
    """

    dashboard: str | None
    acknowledge: Callable[[int], str]


def one(claimed: Claimed, addresses: Addresses, *, before: str = "") -> tuple[str, str]:
    """Return title and body for a single notice.

    Args:
        claimed: The notice.
        addresses: Where its links lead.
        before: Said first, such as `Taken back`.
    """
    told = claimed.detection
    lines = [_facts(told), told.device, _when(told, claimed.rule.time_zone)]
    if told.votes:
        lines.append(f"{told.votes[0]} of {amount(told.votes[1], 'frame')} agree")
    lines.append(f"Rule: {claimed.rule.name}")
    if addresses.dashboard:
        lines.append(f"Look: {addresses.dashboard}/detections/{told.detection_id}")
    if addresses.dashboard and claimed.is_urgent and before != TAKEN_BACK:
        lines.append(f"I have seen it: {addresses.acknowledge(claimed.notice_id)}")
    title = f"{_headline(told)} at {told.place}"
    return line(f"{before}: {title}" if before else title), "\n".join(map(line, lines))


TAKEN_BACK: Final = "Taken back"
UNANSWERED: Final = "Nobody has acknowledged"


def several(
    claimed: Sequence[Claimed], addresses: Addresses, *, before: str = ""
) -> tuple[str, str]:
    """Return title and body for several notices of one rule.

    Args:
        claimed: Two or more.
        addresses: Where its links lead.
        before: Said first.
    """
    rule = claimed[0].rule
    detections = [one_of.detection for one_of in claimed]
    counts = Counter((told.what, told.place) for told in detections)
    alerts = sum(one_of.is_urgent for one_of in claimed)
    title = f"{amount(len(detections), 'detection')} for {rule.name}"
    if alerts:
        title += f", {amount(alerts, 'alert')}"
    lines = [f"{count} x {what} at {place}" for (what, place), count in counts.most_common(10)]
    lines += [f"and {len(counts) - 10} other kinds"] if len(counts) > 10 else []
    lines.append("")
    for told in detections[:_MOST_LINES]:
        lines.append(f"{_when(told, rule.time_zone)}  {_headline(told)} at {told.place}")
    if len(detections) > _MOST_LINES:
        lines.append(f"and {len(detections) - _MOST_LINES} more")
    if addresses.dashboard:
        lines.append(f"Look: {addresses.dashboard}/notices")
    return line(f"{before}: {title}" if before else title), "\n".join(map(line, lines))


def line(text: str) -> str:
    """Return text in one line without control characters: names come from devices."""
    kept = (" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in text)
    return "".join(kept).rstrip()[:500]


def _headline(told: Told) -> str:
    probability = percent(told.probability)
    test = "TEST: " if told.is_test else ""
    return f"{test}{told.what.replace('_', ' ')}{f' {probability}' if probability else ''}"


def _facts(told: Told) -> str:
    return ", ".join(
        filter(None, (told.what, percent(told.probability), told.severity, told.place))
    )


def _when(told: Told, zone: str) -> str:
    arrived = " (when it arrived: the device's clock is wrong)" if told.is_by_arrival else ""
    return f"{local(told.occurred_at, told.zone or ZoneInfo(zone))}{arrived}"
