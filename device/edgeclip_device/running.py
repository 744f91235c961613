"""What detect runs, as it leaves it in the outbox for the uplink's `info`."""

from __future__ import annotations

import platform
from datetime import datetime
from importlib.metadata import version

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from edgeclip.contract.reports import Info
from edgeclip_device.config import DeviceSettings

RUNNING = "running"  # key in `meta`
_LONGEST_NAME = 64
_LONGEST_ALARM = 200


class Running(BaseModel):
    """Pack, backend and source of the running detect."""

    model_config = ConfigDict(frozen=True)

    pack: str
    backend: str
    precision: str
    rung: int | None = None
    alarm: str = ""
    source: str
    started_at: AwareDatetime | None

    @staticmethod
    def from_json(text: str | None) -> Running | None:
        """Return what an outbox's `meta` says; None where detect has not run yet."""
        if text is None:
            return None
        try:
            return Running.model_validate_json(text)
        except ValidationError:  # of another version of the software: detect will write it anew
            return None


def info(settings: DeviceSettings, running: Running | None) -> Info:
    """Return the birth certificate.

    Args:
        settings: Who the device is.
        running: What detect runs; None leaves that open.
    """
    return Info(
        device_id=settings.device_id,
        project=settings.project,
        deployment_id=settings.deployment_id,
        camera_id=settings.camera.camera_id,
        edgeclip_version=version("edgeclip"),
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
    )


def running(
    pack: str,
    backend: tuple[str, str],
    source: str,
    at: datetime | None,
    *,
    rung: int | None = None,
    alarm: str = "",
) -> Running:
    """Return what detect leaves at its start.

    Args:
        pack: task@version.
        backend: Its name and precision.
        source: Masked.
        at: Wall time, or None while it is not believed.
        rung: Of the ladder of precision.
        alarm: Why it is below the first; empty where it need not be on it.
    """
    name, precision = backend
    return Running(
        pack=pack,
        backend=name,
        precision=precision,
        rung=rung,
        alarm=alarm,
        source=source,
        started_at=at,
    )


def _short(text: str, longest: int = _LONGEST_NAME) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
