"""Heat: the hottest junction, and whether the kernel slows anything down for it."""

from __future__ import annotations

from edgeclip_device.machine.tree import Tree

_JUNCTION = "tj-thermal"  # JetPack's zone of the hottest junction
_COLDEST_C, _HOTTEST_C = -60.0, 150.0  # beyond it a sensor is broken or switched off


def junction_c(tree: Tree) -> float | None:
    """Return the junction's temperature, degrees Celsius; the hottest zone where none is of it."""
    zones: dict[str, float] = {}
    for zone in tree.glob("/sys/class/thermal/thermal_zone*"):
        millidegrees = tree.number(zone / "temp")
        if millidegrees is not None and _COLDEST_C < millidegrees / 1000 < _HOTTEST_C:
            zones[tree.text(zone / "type") or zone.name] = millidegrees / 1000
    if not zones:
        return None
    return round(zones.get(_JUNCTION, max(zones.values())), 1)


def throttled(tree: Tree) -> bool | None:
    """Return whether a cooling device other than a fan is at work; None where there is none."""
    states = []
    for device in tree.glob("/sys/class/thermal/cooling_device*"):
        state = tree.number(device / "cur_state")
        if state is not None and "fan" not in (tree.text(device / "type") or "").lower():
            states.append(state)
    return any(state > 0 for state in states) if states else None
