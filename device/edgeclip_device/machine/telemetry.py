"""Everything that a machine says of itself at one moment, joined; unknown is None."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from edgeclip_device.field_settings import HealthSettings
from edgeclip_device.machine import disks, memory, power, thermal
from edgeclip_device.machine.tegrastats import ToolReading, ask
from edgeclip_device.machine.tree import Tree


@dataclass(frozen=True)
class Telemetry:
    """One look at the machine.

    Attributes:
        uptime_s: Since boot, suspension included.
        written_bytes: To the partition of the state folder since boot.
    """

    uptime_s: float
    board_w: float | None
    mode_name: str | None
    overcurrent_events: int | None
    battery_v: float | None
    solar_w: float | None
    junction_c: float | None
    throttled: bool | None
    available_mb: float | None
    disk: disks.DiskSpace | None
    written_bytes: int | None
    wear_pct: float | None


def read_telemetry(tree: Tree, state: Path, settings: HealthSettings) -> Telemetry:
    """Return one look at the machine.

    Args:
        tree: The machine's files.
        state: The state folder, for its disk.
        settings: Labels, and the tool that is asked for what the files do not say.
    """
    found = power.rails(tree)
    board_w, junction_c = power.board_watts(found), thermal.junction_c(tree)
    lacks = board_w is None or junction_c is None
    tool = ask(settings.tool) if lacks else ToolReading()
    battery_v = power.volts_of(found, settings.battery_label) or power.battery_volts(tree)
    return Telemetry(
        uptime_s=round(time.clock_gettime(time.CLOCK_BOOTTIME), 1),
        board_w=tool.board_w if board_w is None else board_w,
        mode_name=power.power_mode(tree),
        overcurrent_events=power.overcurrent_events(tree),
        battery_v=battery_v,
        solar_w=power.watts_of(found, settings.solar_label),
        junction_c=tool.junction_c if junction_c is None else junction_c,
        throttled=thermal.throttled(tree),
        available_mb=memory.available_mb(tree) or tool.available_mb,
        disk=disks.disk_space(state),
        written_bytes=disks.written_bytes(tree, state),
        wear_pct=disks.wear_pct(tree, state),
    )
