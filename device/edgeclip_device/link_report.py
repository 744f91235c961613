"""How the link does, and what differs between the uplinks of a service, a replay and a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edgeclip_device.backoff import LinkTiming
from edgeclip_device.field.requests import FOLDER
from edgeclip_device.rows import Released

ReleasedHook = Callable[[Released], None]


@dataclass
class LinkReport:
    """How the connection does: for the status line and for a replay's table."""

    state: Literal["offline", "connecting", "online"] = "offline"
    error: str | None = None
    connections: int = 0
    login_refused: bool = False


@dataclass(frozen=True)
class UplinkOptions:
    """What differs between a service, a replay and a test.

    Attributes:
        on_released: Told what each receipt deleted.
        timing: What the link waits for.
        requests: Where root can be asked for something.
        look_at_disk_s: A disk that failed is looked at after so long.
        on_desk: Whether a person at a desk looks on, as in a replay: its clock is no alarm.
    """

    on_released: ReleasedHook | None = None
    timing: LinkTiming = field(default_factory=LinkTiming)
    requests: Path = FOLDER
    look_at_disk_s: float = 10.0
    on_desk: bool = False
