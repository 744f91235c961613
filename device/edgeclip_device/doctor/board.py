"""The board: clocks, power mode, throttling, heat."""

from __future__ import annotations

from collections.abc import Iterable

from edgeclip_device.clock import SystemClock
from edgeclip_device.doctor.base import Finding, Patient
from edgeclip_device.machine import power, thermal


def check_clock(patient: Patient) -> Iterable[Finding]:
    """Judge whom the clock is believed by, and the hardware clocks."""
    trust = SystemClock(patient.settings.clock, patient.tree).trust()
    error = "" if trust.error_ms is None else f", within {trust.error_ms} ms"
    if trust.trusted:
        yield Finding("clock", "ok", f"believed by {trust.source}{error}")
    else:
        step = "timedatectl; give it NTP, a GNSS receiver, or an RTC with a battery (see [clock])"
        yield Finding("clock", "warn", "nothing speaks for it", step)
    yield _hardware_clocks(patient)


def _hardware_clocks(patient: Patient) -> Finding:
    clocks = patient.tree.glob("/sys/class/rtc/rtc*")
    if not clocks:
        return Finding("rtc", "absent", "no hardware clock")
    names = [f"{clock.name} ({patient.tree.text(clock / 'name') or '?'})" for clock in clocks]
    since = [patient.tree.number(clock / "since_epoch") or 0 for clock in clocks]
    found = ", ".join(names)
    vouched = patient.settings.clock.rtc_has_battery
    if vouched and max(since) < 1_735_689_600:  # 2025: no clock with a battery is before it
        step = "set it with `sudo hwclock -w`, and change its battery"
        return Finding("rtc", "fail", f"{found}: before 2025, though [clock] vouches for it", step)
    if vouched and len(clocks) > 1:
        step = "make sure that the system takes the one with the battery (hctosys, /dev/rtc)"
        return Finding("rtc", "warn", f"{found}: {len(clocks)} of them", step)
    step = "" if vouched else "if it has a battery, say so: [clock].rtc_has_battery = true"
    return Finding("rtc", "ok", found, step)


def check_power(patient: Patient) -> Iterable[Finding]:
    """Compare the power mode with the wish, and read what throttles."""
    yield _mode(patient)
    yield _overcurrent(patient)
    yield _heat(patient)
    yield _rails(patient)


def _mode(patient: Patient) -> Finding:
    name, wish = power.power_mode(patient.tree), patient.settings.power.nvpmodel
    names = power.power_modes(patient.tree)
    if name is None and not names:
        return Finding("power mode", "absent", "no nvpmodel")
    online = patient.tree.text("/sys/devices/system/cpu/online") or "?"
    found = f"{name or 'unknown'}, CPUs online {online}"
    if wish is not None and wish not in names:
        step = f"name one of {', '.join(names)}"
        return Finding("power mode", "fail", f"[power].nvpmodel = {wish} is none", step)
    if wish is not None and name != wish:
        step = f"sudo nvpmodel -m N, with the number of {wish} in /etc/nvpmodel.conf; then reboot"
        return Finding("power mode", "fail", f"{found}, and {wish} is wished", step)
    return Finding("power mode", "ok", found)


def _overcurrent(patient: Patient) -> Finding:
    events = power.overcurrent_events(patient.tree)
    if events is None:
        return Finding("over-current", "absent", "no counters")
    if events:
        step = "check supply and cable, or choose a thriftier power mode"
        return Finding("over-current", "warn", f"throttled {events} times since boot", step)
    return Finding("over-current", "ok", "never since boot")


def _heat(patient: Patient) -> Finding:
    hottest = thermal.junction_c(patient.tree)
    if hottest is None:
        return Finding("heat", "absent", "no thermal zone")
    limit, slowed = patient.settings.health.overtemp_c, thermal.throttled(patient.tree)
    if hottest >= limit or slowed:
        what = "slowed down" if slowed else f"at or over {limit}"
        step = "give it shade and air, or a thriftier power mode"
        return Finding("heat", "warn", f"{hottest} degrees, {what}", step)
    return Finding("heat", "ok", f"{hottest} degrees")


def _rails(patient: Patient) -> Finding:
    found = power.rails(patient.tree)
    if not found:
        return Finding("power rails", "absent", "no power monitor")
    labels = [rail.label for rail in found if rail.label]
    watts = power.board_watts(found)
    board = "no rail of the whole board" if watts is None else f"the board takes {watts} W"
    return Finding("power rails", "ok", f"{', '.join(labels)}; {board}")
