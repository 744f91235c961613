"""What stands in `info`: what detect runs, and what commands have made of the device."""

from __future__ import annotations

import functools
import platform
from dataclasses import dataclass, field
from importlib.metadata import version

from edgeclip.contract.reports import Info
from edgeclip_device.config import DeviceSettings
from edgeclip_device.machine.identity import Identity
from edgeclip_device.running import Running

ARMED = "armed"  # keys in `meta`
APPLIED = "desired_applied"
_LONGEST_NAME = 64
_LONGEST_ALARM = 200


@dataclass(frozen=True)
class DeviceFacts:
    """What an uplink knows of its device.

    Attributes:
        running: What detect runs; None where it has not run yet.
        is_armed: Whether frames are classified.
        desired_sha256: Of the desired state that detect runs with; None for none.
        command_counters: The highest counter of each key, by key id.
    """

    running: Running | None = None
    is_armed: bool = True
    desired_sha256: str | None = None
    command_counters: dict[str, int] = field(default_factory=dict)


def info(settings: DeviceSettings, facts: DeviceFacts, identity: Identity) -> Info:
    """Return the birth certificate.

    Args:
        settings: Who the device is.
        facts: What an uplink knows of it.
        identity: Board, system and configuration.
    """
    running = facts.running
    packs = running.packs_available if running else []
    versions = running.libraries if running else {}
    return Info(
        device_id=settings.device_id,
        project=settings.project,
        deployment_id=settings.deployment_id,
        camera_id=settings.camera.camera_id,
        edgeclip_version=_version(),
        pack=_short(running.pack) if running else None,
        backend=running.backend if running else None,
        precision=running.precision if running else None,
        rung=running.rung if running else None,
        degraded_precision=_short(running.alarm, _LONGEST_ALARM) or None if running else None,
        source=_short(running.source) if running else None,
        machine=_short(
            f"{platform.machine()} {platform.system()} Python {platform.python_version()}"
        ),
        started_at=running.started_at if running else None,
        armed=facts.is_armed,
        desired_sha256=facts.desired_sha256,
        command_counters=facts.command_counters,
        module=_short(identity.module) if identity.module else None,
        l4t=identity.l4t,
        serial_sha256=identity.serial_sha256,
        libraries={name: _short(number) for name, number in versions.items()},
        packs_available=[_short(pack) for pack in packs],
        config_sha256=identity.config_sha256,
        capabilities=["alarm", "health", "log"],
    )


@functools.lru_cache(maxsize=1)
def _version() -> str:
    return version("edgeclip")


def _short(text: str, longest: int = _LONGEST_NAME) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
