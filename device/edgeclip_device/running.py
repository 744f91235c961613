"""What detect runs, as it leaves it in the outbox for the uplink's `info`."""

from __future__ import annotations

from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from edgeclip_device.machine.identity import libraries

RUNNING = "running"  # key in `meta`


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
    packs_available: list[str] = []
    libraries: dict[str, str] = {}

    @staticmethod
    def from_json(text: str | None) -> Running | None:
        """Return what an outbox's `meta` says; None where detect has not run yet."""
        if text is None:
            return None
        try:
            return Running.model_validate_json(text)
        except ValidationError:  # of another version of the software: detect will write it anew
            return None


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
        libraries=libraries(),
    )
