"""Figures as a person reads them: two digits, whole percent, the interval in brackets."""

from __future__ import annotations

import math

from edgeclip.evaluation.bootstrap import Difference, Interval


def decimal(value: float) -> str:
    """Return a figure with two digits; a dash where it is not defined."""
    return f"{value:.2f}" if math.isfinite(value) else "-"


def whole(value: float) -> str:
    """Return a figure without digits; a dash where it is not defined."""
    return f"{value:,.0f}" if math.isfinite(value) else "-"


def percent(value: float) -> str:
    """Return a share as whole percent; a dash where it is not defined."""
    return f"{100 * value:.0f} %" if math.isfinite(value) else "-"


def interval(value: Interval) -> str:
    """Return a figure with its interval in brackets, where there is one."""
    known = f" ({decimal(value.low)} to {decimal(value.high)})" if value.is_known else ""
    return decimal(value.estimate) + known


def percent_interval(value: Interval) -> str:
    """Return the interval of a share in words; of few places their values."""
    if value.is_known:
        return f"95 % certain: {percent(value.low)} to {percent(value.high)}"
    shown = [f"{n} {percent(v)}" for n, v in list(value.by_group.items())[:4] if math.isfinite(v)]
    if len(value.by_group) > 1 and shown:
        return f"too few places for more certainty: {', '.join(shown)}"
    return "too few places to say how certain"


def difference(value: Difference) -> str:
    """Return a difference with its sign and interval."""
    own = value.interval
    if not math.isfinite(own.estimate):
        return "-"
    known = f" ({_signed(own.low)} to {_signed(own.high)})" if own.is_known else ""
    return _signed(own.estimate) + known


def _signed(value: float) -> str:
    """Return a figure with its sign; a rounded nothing has none."""
    text = f"{value:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text
