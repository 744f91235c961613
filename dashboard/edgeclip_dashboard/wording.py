"""How the page says things: percent, times, places, phases. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone, tzinfo

from edgeclip_dashboard import told_words
from edgeclip_dashboard.health import LinkState
from edgeclip_dashboard.queries import DetectionView, DeviceView

_PHASES = {"new": "new", "update": "ongoing", "end": "ended", "retract": "retracted"}
_STEPS = ((60, 1, "s"), (3600, 60, "min"), (86_400, 3600, "h"), (float("inf"), 86_400, "d"))


def title(view: DetectionView) -> str:
    """Return what was detected: the class, or that something failed; never nothing."""
    if view.failure is not None:
        return f"Failure: {spaced(view.failure)}"
    return spaced(view.class_name) if view.class_name else view.observation_type


def percent(probability: float | None) -> str:
    """Return a probability in [0, 1] as whole percent; certainty is never claimed by rounding."""
    if probability is None:
        return ""
    if 0.995 <= probability < 1:
        return ">99 %"
    if 0 < probability < 0.005:
        return "<1 %"
    return f"{probability * 100:.0f} %"


def ago(then: datetime | None, now: datetime) -> str:
    """Return how long ago a time was, or how far ahead a wrong clock has put it."""
    if then is None:
        return "time unknown"
    seconds = (now - then).total_seconds()
    if abs(seconds) < 5:
        return "just now"
    limit_step = next(step for step in _STEPS if abs(seconds) < step[0])
    amount = f"{int(abs(seconds) // limit_step[1])} {limit_step[2]}"
    return f"{amount} ago" if seconds > 0 else f"{amount} ahead of this clock"


def utc(when: datetime | None) -> str:
    """Return a time as `2026-05-01 02:03:04 UTC`, or that it is unknown."""
    return local(when, None)


def local(when: datetime | None, zone: tzinfo | None) -> str:
    """Return a time by the clock of a place, as `2026-05-01 05:03:04 EAT`; UTC without a zone."""
    if when is None:
        return "time unknown"
    try:
        there = when.astimezone(zone or timezone.utc)
    except OverflowError:  # a clock that shows the first or the last day of all calendars
        there = when.astimezone(timezone.utc)
    name = there.tzname() or ""
    return f"{there:%Y-%m-%d %H:%M:%S} {'UTC' if name[:1] in '+-' else ''}{name}"


def clock(view: DetectionView) -> str:
    """Return why a detection's time is not simply the device's, or an empty string."""
    said = {"put_right": "time put right", "untrusted": "clock not trusted"}
    return said.get(view.clock or "", "")


def place(view: DetectionView, names: Mapping[str, str] | None = None) -> str:
    """Return deployment (by its name, if a person gave one), camera and device."""
    deployment = (names or {}).get(view.deployment_id, view.deployment_id)
    return f"{deployment} · {view.camera_id} · {view.device_id}"


def verdict(view: DetectionView) -> str:
    """Return what a person said of a detection, in a word or two, or an empty string."""
    if view.verdict == "other" and view.verdict_class:
        return f"is {spaced(view.verdict_class)}"
    return view.verdict or ""


def caption(view: DetectionView) -> str:
    """Return what a detection says in words beside its class, in one line, or an empty string."""
    return told_words.caption(title(view), view.attributes, view.verdict)


def volts(battery_v: float | None) -> str:
    """Return a battery's voltage as `12.4 V`, or an empty string."""
    return "" if battery_v is None else f"{battery_v:.1f} V"


def phase(view: DetectionView) -> str:
    """Return the phase in a word: new, ongoing, ended, retracted."""
    return _PHASES.get(view.phase, view.phase)


def votes(view: DetectionView) -> str:
    """Return how many frames agreed, such as `8 of 10 frames`."""
    if view.votes_frames is None:
        return ""
    return f"{view.votes_agreeing} of {amount(view.votes_frames, 'frame')}"


def device_state(view: DeviceView, now: datetime, zone: tzinfo | None = None) -> str:
    """Return a device's state and since when."""
    if view.state is None:
        return "no status yet"
    since = f" since {local(view.since, zone)} ({ago(view.since, now)})" if view.since else ""
    reason = f": {view.reason[:120]}" if view.reason else ""
    return f"{view.state}{since}{reason}"


def device_gaps(view: DeviceView) -> str:
    """Return which outbox rows are missing, or an empty string."""
    if not view.gaps:
        return ""
    count = sum(gap.last - gap.first + 1 for gap in view.gaps)
    spans = [str(g.first) if g.first == g.last else f"{g.first}-{g.last}" for g in view.gaps[:5]]
    more = ", .." if len(view.gaps) > 5 else ""
    return f"{amount(count, 'row')} not received: {', '.join(spans)}{more}"


def link(state: LinkState) -> str:
    """Return where the connection to the broker stands, in a sentence."""
    if state.name == "online":
        return f"Connected to {state.broker}"
    if state.name == "waiting":
        return f"No connection to {state.broker}: {state.error}"
    if state.name == "connecting":
        return f"Connecting to {state.broker}"
    return "Stopped"


def amount(count: int, noun: str) -> str:
    """Return a number with its noun: `1 snapshot`, `2 snapshots`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def spaced(name: str) -> str:
    """Return a class or code as words."""
    return name.replace("_", " ")
