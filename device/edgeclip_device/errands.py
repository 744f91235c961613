"""What detect does of the commands, between two frames."""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.topics import DeviceTopics
from edgeclip.errors import ConfigError, DataError
from edgeclip_device.clock import WallClock
from edgeclip_device.command_args import LogsArgs, SnapshotArgs, ThresholdArgs
from edgeclip_device.command_book import CommandBook, Pending, Verdict
from edgeclip_device.config import DeviceSettings
from edgeclip_device.database import open_database, transaction, write_meta
from edgeclip_device.desired import Desired, DesiredFile, with_desired
from edgeclip_device.facts import APPLIED, ARMED
from edgeclip_device.log_ring import attached_ring
from edgeclip_device.media import encode
from edgeclip_device.outbox import Outbox
from edgeclip_device.rollout.rollout import Rollout

log = logging.getLogger(__name__)

REFUSED = "desired_refused"  # key in `meta`

_LOOK_EVERY_S = 0.5
_DONE = Verdict("done")
_NOT_LIVE = "a watched folder has no live picture: those of its detections are on the dashboard"
Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Reach:
    """What errands can do to a detector.

    Attributes:
        arm: Told whether frames are to be classified.
        visible: Returns what of a frame may leave the device, or None for nothing.
        rollout: Brings packs in, and takes them back.
    """

    arm: Callable[[bool], None]
    visible: Callable[[Image], Image | None]
    rollout: Rollout


class Errands:
    """Does what commands ask of detect.

    Args:
        settings: Of the configuration file, without the desired state.
        outbox: Holds the commands.
        clock: The machine's clocks.
        reach: What it can do.
        monotonic: Seconds that only grow.
    """

    def __init__(
        self,
        settings: DeviceSettings,
        outbox: Outbox,
        clock: WallClock,
        reach: Reach,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._outbox = outbox
        topics = DeviceTopics(settings.project, settings.device_id)
        self.book = CommandBook(outbox.connection, clock, topics)
        self._reach = reach
        self._rollout = reach.rollout
        self._monotonic = monotonic
        self._looked_at = -float("inf")
        self._desired = DesiredFile(settings.state)
        self.begins_anew = False
        """Whether the detector must be opened again, with other settings."""
        self.ends = False
        """Whether the process must end, so that systemd starts it."""
        self._acts: dict[str, Callable[[Pending, Image | None], None]] = {
            "arm": lambda pending, _: self._arm(pending, is_armed=True),
            "configure": lambda _, __: self._begin_anew(),
            "disarm": lambda pending, _: self._arm(pending, is_armed=False),
            "logs": lambda pending, _: self._logs(pending),
            "restart": lambda pending, _: self._restart(pending),
            "snapshot": self._snapshot,
            "thresholds": lambda pending, _: self._thresholds(pending),
        }
        for name, act in reach.rollout.acts(self.book).items():
            self._acts[name] = partial(_without_image, act)
        reach.arm(outbox.noted(ARMED) != "0")
        self._report_state()

    def tick(self, image: Image | None) -> None:
        """Do what waits, if it is time to look.

        Args:
            image: The newest frame, `(H, W, 3)` uint8, RGB; None where there is none.

        Raises:
            OutboxError: The outbox cannot be read or written.
        """
        now = self._monotonic()
        if now - self._looked_at < _LOOK_EVERY_S:
            return
        self._looked_at = now
        for pending in self.book.pending("detect"):
            if self.book.is_over(pending.not_after) and pending.name != "configure":
                self.book.finish(pending, Verdict("failed", "it expired before it could be done"))
                continue
            act = self._acts.get(pending.name)
            if act is None:
                self.book.finish(pending, Verdict("failed", f"no {pending.name} here"))
                continue
            act(pending, image)
            if self.begins_anew or self.ends:
                return
        self._rollout.tick()
        self.begins_anew = self._rollout.begins_anew

    def close(self) -> None:
        """Give back what a candidate holds."""
        self._rollout.close()

    def _arm(self, pending: Pending, *, is_armed: bool) -> None:
        self._outbox.note(ARMED, str(int(is_armed)))
        self._reach.arm(is_armed)
        self.book.finish(pending, _DONE)

    def _begin_anew(self) -> None:
        self.begins_anew = True  # the next detector says what became of it

    def _logs(self, pending: Pending) -> None:
        lines = attached_ring().last(LogsArgs.model_validate(pending.args).lines)
        self.book.finish(pending, _DONE, {"lines": lines})

    def _restart(self, pending: Pending) -> None:
        self.book.finish(pending, _DONE)  # before: it must not be done again after it
        self.ends = True

    def _snapshot(self, pending: Pending, image: Image | None) -> None:
        if image is None:
            is_watched = self._settings.camera.watch
            why = _NOT_LIVE if is_watched else "the camera gives no frame"
            self.book.finish(pending, Verdict("failed", why))
            return
        visible = self._reach.visible(image)
        if visible is None:
            self.book.finish(pending, Verdict("failed", "withheld, as [privacy] says"))
            return
        most = SnapshotArgs.model_validate(pending.args).max_bytes
        media = self._settings.media.model_copy(update={"max_bytes": most})
        try:
            taken = encode(visible, "full", media)
        except DataError as error:
            self.book.finish(pending, Verdict("failed", str(error)))
            return
        data: dict[str, Any] = {
            "jpeg": base64.b64encode(taken.data).decode(),
            "sha256": taken.sha256,
            "width": taken.width,
            "height": taken.height,
        }
        self.book.finish(pending, _DONE, data)

    def _thresholds(self, pending: Pending) -> None:
        args = ThresholdArgs.model_validate(pending.args)
        changes = args.model_dump(exclude_none=True, exclude={"class_name"})
        now = self._desired.read() or Desired()
        ours = {**now.thresholds.get(args.class_name, {}), **changes}
        wanted = now.model_copy(
            update={
                "command_id": pending.command_id,
                "thresholds": {**now.thresholds, args.class_name: ours},
            }
        )
        try:
            with_desired(self._settings, wanted)
        except ConfigError as error:
            self.book.finish(pending, Verdict("failed", str(error)))
            return
        self._desired.write(wanted)
        self._begin_anew()

    def _report_state(self) -> None:
        """Say which desired state this detector has, and reply to those who asked for it."""
        desired = self._desired.read()
        self._outbox.note(APPLIED, desired.sha256 if desired else "")
        refused = self._outbox.noted(REFUSED)
        for pending in self.book.pending("detect"):
            if pending.name not in ("configure", "thresholds"):
                continue
            if desired is not None and pending.command_id == desired.command_id:
                self.book.finish(pending, _DONE, {"sha256": desired.sha256})
            elif pending.name == "configure" or refused:
                why = refused or "another one came after it"
                self.book.finish(pending, Verdict("failed", why))
        self._outbox.note(REFUSED, "")


def _without_image(act: Callable[[Pending], None], pending: Pending, _: Image | None) -> None:
    act(pending)


def take_back(state: Path, reason: str) -> bool:
    """Go back to the desired state before the one that cannot be applied.

    Args:
        state: The state folder.
        reason: Told to the person who wished for it.

    Returns:
        Whether there was such a state; if not, the configuration itself is wrong.
    """
    file = DesiredFile(state)
    if file.read() in (None, Desired()):
        return False
    file.take_back()
    with closing(open_database(state)) as connection, transaction(connection):
        write_meta(connection, REFUSED, reason)
    return True
