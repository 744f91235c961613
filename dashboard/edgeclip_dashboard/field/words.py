"""How the pages of the field say things. Pure functions."""

from __future__ import annotations

from datetime import datetime

from edgeclip.contract.health import Health
from edgeclip_dashboard import wording
from edgeclip_dashboard.field.reports import DeviceReport

Facts = list[tuple[str, str]]


def state(report: DeviceReport, now: datetime) -> str:
    """Return a device's state, since when, and when it wakes."""
    if report.state is None:
        return "no status yet"
    since = f" since {wording.local(report.since, report.zone)} ({wording.ago(report.since, now)})"
    said = report.state + (since if report.since else "")
    if report.state == "sleeping":
        at = report.next_wake_at
        wakes = wording.local(at, report.zone) if at else "when it is triggered"
        said += f", wakes {wakes}"
    return said + (f": {report.reason[:120]}" if report.reason else "")


def short_state(report: DeviceReport, now: datetime) -> str:
    """Return a device's state and how long ago it began."""
    if report.state is None:
        return "no status yet"
    return f"{report.state}, {wording.ago(report.since, now)}" if report.since else report.state


def number(value: float | None, unit: str, digits: int = 0) -> str:
    """Return a figure with its unit, or nothing where it is unknown."""
    return "" if value is None else f"{value:,.{digits}f} {unit}".replace(",", " ")


def duration(seconds: float | None) -> str:
    """Return a time span in its two largest units, such as `2 d 3 h`; nothing where unknown."""
    if seconds is None:
        return ""
    whole = int(seconds)
    parts = [(whole // 86_400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "min")]
    told = [f"{amount} {unit}" for amount, unit in parts if amount]
    return " ".join(told[:2]) or f"{whole} s"


def runs(report: DeviceReport) -> Facts:
    """Return what runs on a device."""
    info = report.info
    if info is None:
        return []
    backend = " ".join(part for part in (info.backend, info.precision) if part)
    rung = f", rung {info.rung} of 4" if info.rung else ""
    return known(
        ("pack", info.pack or ""),
        ("packs there", ", ".join(info.packs_available)),
        ("runs", backend + rung if backend else ""),
        ("below the best", info.degraded_precision or ""),
        ("source", info.source or ""),
        ("camera", info.camera_id),
        ("edgeclip", info.edgeclip_version),
        ("machine", " ".join(part for part in (info.module, info.machine) if part)),
        ("system", f"L4T {info.l4t}" if info.l4t else ""),
        ("libraries", ", ".join(f"{name} {said}" for name, said in info.libraries.items())),
        ("started", wording.local(info.started_at, report.zone) if info.started_at else ""),
    )


def condition(health: Health) -> Facts:
    """Return how the machine does."""
    power, storage = health.power, health.storage
    throttled = {True: "throttled", False: ""}.get(health.thermal.throttled or False, "")
    heat = number(health.thermal.tj_c, "°C")
    return known(
        ("battery", number(power.battery_v, "V", 1)),
        ("solar", number(power.solar_w, "W", 1)),
        ("draws", number(power.vdd_in_w, "W", 1)),
        ("a day", number(power.energy_wh_day, "Wh")),
        ("power mode", power.mode_name or ""),
        ("temperature", ", ".join(part for part in (heat, throttled) if part)),
        ("free disk", number(storage.free_mb and storage.free_mb / 1000, "GB", 1)),
        ("disk wear", number(storage.wear_pct, "%")),
        ("memory", number(health.memory.available_mb, "MB free")),
        ("up for", duration(health.uptime_s)),
        ("clock", _clock(health)),
        ("restarts", number(health.process.restarts, "in this boot")),
    )


def work(health: Health) -> Facts:
    """Return how camera, classifier, outbox and link do."""
    camera, infer, box, link = health.camera, health.infer, health.outbox, health.link
    expected = f" of {camera.expected_fps:.1f}" if camera.expected_fps is not None else ""
    frames = number(camera.fps, "fps", 1)
    return known(
        ("camera", camera.quality or ""),
        ("frames", f"{frames}{expected}" if frames else ""),
        ("stalls", number(camera.stalls_1h, "in an hour") if camera.stalls_1h else ""),
        ("classifies in", number(infer.p95_ms, "ms (p95)", 1)),
        ("classified", number(infer.count, "frames")),
        ("unsure", wording.percent(health.drift.unknown_rate)),
        ("drift", number(health.drift.feature_distance, "(1 - cosine)", 3)),
        ("outbox", number(box.rows, "rows wait")),
        ("oldest", duration(box.oldest_age_s) if box.rows else ""),
        ("dropped", number(box.dropped, "since it began") if box.dropped else ""),
        ("link", _link(link.state, link.rtt_ms)),
        ("sent today", number(link.tx_bytes_day and link.tx_bytes_day / 1e6, "MB", 1)),
    )


def known(*facts: tuple[str, str]) -> Facts:
    """Return the facts of which something is known."""
    return [(name, value) for name, value in facts if value]


def _clock(health: Health) -> str:
    if health.clock.trusted:
        return f"by {health.clock.source}"
    return "not to be trusted"


def _link(link_state: str | None, rtt_ms: float | None) -> str:
    return ", ".join(
        part for part in (link_state or "", number(rtt_ms, "ms there and back")) if part
    )
