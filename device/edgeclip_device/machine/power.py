"""Power: rails of the INA3221 and batteries by label, power mode, over-current counters.

Paths as on JetPack 6 (L4T 36), from jetson_stats and NVIDIA's documentation; not tried on a board.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from edgeclip_device.machine.tree import Tree

_WHOLE_BOARD = ("VDD_IN", "5V_IN", "VIN_SYS_5V0")  # Orin Nano and NX, Xavier NX, carrier boards
_MODE = re.compile(r"pmode:(\d+)")
_MODEL = re.compile(r"<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)\s*>")


@dataclass(frozen=True)
class Rail:
    """One channel of a power monitor; None where it does not say."""

    label: str
    volts: float | None
    watts: float | None


def rails(tree: Tree) -> list[Rail]:
    """Return every labelled channel of the machine's power monitors."""
    return [_rail(tree, label) for label in tree.glob("/sys/class/hwmon/hwmon*/in*_label")]


def board_watts(found: list[Rail]) -> float | None:
    """Return what the whole board takes, W; None where no rail measures that (as on an AGX)."""
    return next((r.watts for name in _WHOLE_BOARD for r in found if r.label == name), None)


def volts_of(found: list[Rail], label: str) -> float | None:
    """Return the voltage of the channel with a label."""
    return next((rail.volts for rail in found if rail.label == label), None)


def watts_of(found: list[Rail], label: str) -> float | None:
    """Return the power of the channel with a label."""
    return next((rail.watts for rail in found if rail.label == label), None)


def battery_volts(tree: Tree) -> float | None:
    """Return the voltage of the first battery that the kernel knows."""
    for kind in tree.glob("/sys/class/power_supply/*/type"):
        if tree.text(kind) == "Battery":
            microvolts = tree.number(kind.with_name("voltage_now"))
            return None if microvolts is None else round(microvolts / 1e6, 3)
    return None


def overcurrent_events(tree: Tree) -> int | None:
    """Return how often the board throttled for over-current since boot; None: no counters."""
    counts = [tree.number(path) for path in tree.glob("/sys/class/hwmon/hwmon*/oc*_event_cnt")]
    known = [int(count) for count in counts if count is not None]
    return sum(known) if known else None


def power_mode(tree: Tree) -> str | None:
    """Return the name of the power mode that nvpmodel applied: numbers differ by module."""
    mode = _MODE.search(tree.text("/var/lib/nvpmodel/status") or "")
    names = dict(_MODEL.findall(tree.text("/etc/nvpmodel.conf") or ""))
    by_number = {int(number): name for number, name in names.items()}
    return by_number.get(int(mode[1])) if mode else None


def power_modes(tree: Tree) -> list[str]:
    """Return the names of all power modes of this module."""
    return [name for _, name in _MODEL.findall(tree.text("/etc/nvpmodel.conf") or "")]


def _rail(tree: Tree, label: Path) -> Rail:
    number = label.name[2 : -len("_label")]
    millivolts = tree.number(label.with_name(f"in{number}_input"))
    milliamperes = tree.number(label.with_name(f"curr{number}_input"))
    known = millivolts is not None and milliamperes is not None
    return Rail(
        tree.text(label) or "",
        None if millivolts is None else millivolts / 1000,
        round((millivolts or 0) * (milliamperes or 0) / 1e6, 3) if known else None,
    )
