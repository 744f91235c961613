"""Rules and notices in words, for pages and the command line."""

from __future__ import annotations

from edgeclip_dashboard.notices.channels import masked
from edgeclip_dashboard.notices.desk import NoticeView
from edgeclip_dashboard.notices.rules import RuleForm
from edgeclip_dashboard.notices.states import (
    ACKNOWLEDGED,
    ESCALATED,
    FAILED,
    QUIET,
    RETRACTING,
    SENT,
    TAKEN_BACK,
    WAITING,
    WATCHED,
    WITHDRAWN,
)
from edgeclip_dashboard.wording import amount, local, percent

STATES = {
    WAITING: "to be told",
    QUIET: "held back until the quiet hours end",
    WATCHED: "told, nobody has acknowledged yet",
    SENT: "told",
    ESCALATED: "told further, nobody had acknowledged",
    ACKNOWLEDGED: "acknowledged",
    RETRACTING: "taken back, to be told",
    TAKEN_BACK: "taken back, told",
    WITHDRAWN: "not told",
    FAILED: "given up",
}


def what_it_tells(rule: RuleForm) -> list[tuple[str, str]]:
    """Return what a rule matches, as names with values."""
    pairs = [
        ("species", ", ".join(rule.class_names) or "any"),
        ("places", ", ".join(rule.deployment_ids) or "any"),
        ("severity", ", ".join(rule.severities) or "any"),
    ]
    if rule.min_probability is not None:
        pairs.append(("probability", f"{percent(rule.min_probability)} or more"))
    if rule.from_hour is not None:
        pairs.append(("hours", f"{rule.from_hour} to {rule.to_hour}, {rule.time_zone}"))
    return pairs


def whom_it_tells(rule: RuleForm) -> list[tuple[str, str]]:
    """Return whom a rule tells and when, as names with values; no channel is shown whole."""
    pairs = [("tells", ", ".join(map(masked, rule.channels)))]
    if rule.quiet_from is not None:
        hours = f"{rule.quiet_from} to {rule.quiet_to}, {rule.time_zone}"
        pairs.append(("quiet", f"{hours}: all but alerts waits until then"))
    if rule.escalate_after_s is not None:
        minutes = amount(round(rule.escalate_after_s / 60), "minute")
        further = ", ".join(map(masked, rule.escalate_channels))
        pairs.append(("escalation", f"{further}, if nobody acknowledges in {minutes}"))
    return pairs


def where_it_stands(notice: NoticeView) -> str:
    """Return where a notice stands, and since when by the clock of the detection's place."""
    zone = notice.told.zone if notice.told else None
    said = STATES.get(notice.state, notice.state)
    if notice.acknowledged_at is not None:
        who = notice.acknowledged_by or "somebody"
        seen = f"acknowledged by {who}, {local(notice.acknowledged_at, zone)}"
        return seen if notice.state == ACKNOWLEDGED else f"{said}; {seen}"
    if notice.state == QUIET:
        return f"held back until {local(notice.next_try_at, zone)}"
    if notice.escalated_at is not None:
        return f"{said}, {local(notice.escalated_at, zone)}"
    return f"{said}, {local(notice.sent_at, zone)}" if notice.sent_at is not None else said
