"""Tries the channels of a rule with a message that says it is a test."""

from __future__ import annotations

from dataclasses import dataclass

from edgeclip_dashboard.notices.channels import Send, masked, send
from edgeclip_dashboard.notices.rules import RuleForm


@dataclass(frozen=True)
class Tried:
    """A channel, masked, and why it did not take the message, or None if it did."""

    channel: str
    reason: str | None


def try_rule(rule: RuleForm, tell: Send = send) -> tuple[Tried, ...]:
    """Tell all channels of a rule, those of its escalation too; waits 20 s for each at most."""
    urls = dict.fromkeys((*rule.channels, *rule.escalate_channels))
    title = f"Test of the rule {rule.name}"
    body = "Nothing was seen: this tries whether you can be told."
    return tuple(Tried(masked(url), tell(url, title, body)) for url in urls)
