"""How often detect began in this boot, and why it ended last: left in `meta` for the uplink."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edgeclip.errors import BackendError, EdgeclipError, OutboxError
from edgeclip_device.alarms import opened_alarms
from edgeclip_device.clock import WallClock

if TYPE_CHECKING:  # which loads OpenCV, and the uplink has none
    from edgeclip_device.outbox import Outbox

log = logging.getLogger(__name__)

STARTS = "starts"  # keys in `meta`
ENDED = "ended"
_LONGEST_REASON = 250


def count_start(outbox: Outbox) -> None:
    """Count a start of detect, before anything that can fail.

    Raises:
        OutboxError: It could not be written.
    """
    count = starts(outbox)
    outbox.note(STARTS, json.dumps({"boot_id": outbox.boot_id, "count": count + 1}))


def starts(outbox: Outbox) -> int:
    """Return how often detect began in this boot."""
    before = json.loads(outbox.noted(STARTS) or "{}")
    return int(before.get("count", 0)) if before.get("boot_id") == outbox.boot_id else 0


def has_begun(outbox: Outbox) -> None:
    """Forget why the last detect ended: this one has everything open.

    Raises:
        OutboxError: It could not be written.
    """
    if outbox.noted(ENDED):
        outbox.note(ENDED, "")


@contextmanager
def telling_why(state: Path, clock: WallClock) -> Iterator[None]:
    """Leave word of the error that ends a block: whoever only starts anew tells nobody.

    Args:
        state: The state folder.
        clock: Says since when an alarm stands.

    Raises:
        EdgeclipError: As the block does.
    """
    try:
        yield
    except EdgeclipError as error:
        _tell(state, clock, error)
        raise


def _tell(state: Path, clock: WallClock, error: EdgeclipError) -> None:
    try:
        with opened_alarms(state, clock) as alarms:
            alarms.note(ENDED, str(error)[:_LONGEST_REASON])
            if isinstance(error, BackendError):
                alarms.raise_alarm("engine_failed", str(error))
    except OutboxError as failed:
        log.error("why detect ends cannot be kept: %s", failed)
