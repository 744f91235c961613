"""A pack's way from its delivery to deciding, and back: what detect does of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from edgeclip.contract.detection import Detection
from edgeclip.errors import SetupError
from edgeclip_device import database
from edgeclip_device.clock import WallClock
from edgeclip_device.command_book import CommandBook, Pending, Verdict
from edgeclip_device.config import DeviceSettings
from edgeclip_device.letters import note_entry
from edgeclip_device.outbox import Outbox
from edgeclip_device.rollout.candidate import Candidate, Preparing, preparing
from edgeclip_device.rollout.shadow import Shadow, Shadowed
from edgeclip_device.rollout.shelf import Shelf

log = logging.getLogger(__name__)

_SAVE_EVERY_S = 60.0
_STANDS_S = 600.0  # a candidate that has not crashed for so long is none that does
_DONE = Verdict("done")
_ASKED = "a person asked for it"  # which is no alarm
Act = Callable[[Pending], None]


class Rollout:
    """Prepares, shadows, promotes and rolls back.

    Args:
        settings: With the desired state, and the configured bundle.
        shelf: The bundles.
        outbox: Alarms and the log book.
        clock: Stamps the log book.
        shadowed: The classifier that decides.
        monotonic: Seconds that only grow.
    """

    def __init__(
        self,
        settings: DeviceSettings,
        shelf: Shelf,
        outbox: Outbox,
        clock: WallClock,
        shadowed: Shadowed,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._shelf = shelf
        self._outbox = outbox
        self._clock = clock
        self._shadowed = shadowed
        self._monotonic = monotonic
        self._preparing: tuple[Pending | None, Preparing] | None = None
        self._candidate: Candidate | None = None
        self._looked_at = self._saved_at = self._began_at = monotonic()
        self._is_told = False
        self._alerts = 0
        self.begins_anew = False
        """Whether another bundle is to decide from now on."""
        state = shelf.read()
        self._watched_s, self._is_watched = state.watched_s, state.stage == "watch"
        self._alerts = state.alerts
        if state.candidate is not None:
            self._prepare(None, None, state.candidate)

    def acts(self, book: CommandBook) -> dict[str, Act]:
        """Return what commands ask of it, by name."""
        self._book = book
        return {
            "pack_add": self._add,
            "pack_promote": self._promote_asked,
            "pack_rollback": self._roll_back_asked,
        }

    def saw(self, detection: Detection) -> None:
        """Count the alerts of a pack that was just promoted."""
        is_alert = detection.phase == "new" and detection.severity == "alert"
        self._alerts += is_alert and detection.failure is None and self._is_watched

    def tick(self) -> None:
        """Look at the candidate and at what was promoted.

        Raises:
            OutboxError: The disk cannot be written.
        """
        now = self._monotonic()
        passed_s, self._looked_at = now - self._looked_at, now
        if self._preparing is not None and self._preparing[1].is_over:
            self._take_prepared(*self._preparing)
            self._preparing = None
        if self._shadowed.shadow is not None:
            self._judge(self._shadowed.shadow)
        if self._is_watched:
            self._watched_s += passed_s
            self._watch()

    def close(self) -> None:
        """Give the candidate's memory back."""
        self._shadowed.shadow = None
        if self._candidate is not None:
            self._candidate.backend.close()
            self._candidate = None

    def _add(self, pending: Pending) -> None:
        if self._preparing is not None:
            return  # one after the other
        delivery = Path(pending.args["path"])
        self.close()
        log.info("delivery %s is unpacked and tested", delivery)
        self._prepare(pending, delivery, None)

    def _prepare(self, pending: Pending | None, delivery: Path | None, name: str | None) -> None:
        """Begin with a delivery, or a candidate of the last process, if it does not end us."""
        self._began_at = self._monotonic()
        if self._shelf.count_try(delivery.name if delivery else str(name)):
            self._refuse(pending, "detect ended three times while it was tested, without a word")
            return
        self._preparing = pending, preparing(delivery, name, self._settings, self._shelf)

    def _refuse(self, pending: Pending | None, reason: str) -> None:
        self._reject(reason)
        if pending is not None:
            self._book.finish(pending, Verdict("failed", reason))
            _remove(Path(pending.args["path"]))

    def _take_prepared(self, pending: Pending | None, made: Preparing) -> None:
        if made.candidate is None:
            self._refuse(pending, made.reason)
            return
        candidate = made.candidate
        self._candidate = candidate
        self._shelf.stage(candidate.name)
        self._shadowed.shadow = Shadow(candidate.classifier, candidate.router, self._settings.packs)
        self._is_told = False
        self._outbox.alarms.clear_alarm("pack_rejected")
        self._say(f"{candidate.router.names} passed its self-test and runs in shadow")
        if pending is not None:
            data = {"packs": candidate.router.names, "stage": "shadow"}
            self._book.finish(pending, _DONE, data)
            _remove(Path(pending.args["path"]))

    def _judge(self, shadow: Shadow) -> None:
        verdict = shadow.verdict()
        if verdict is None:
            if self._monotonic() - self._saved_at >= _SAVE_EVERY_S:
                self._save(shadow)
            return
        if verdict:
            self._reject(verdict)
        elif self._settings.packs.promote == "auto":
            self._save(shadow)
            self._promote()
        elif not self._is_told:
            self._is_told = True
            self._save(shadow)
            self._say(f"{shadow.router.names} may be promoted: {shadow.agreed} of {shadow.frames}")

    def _watch(self) -> None:
        packs = self._settings.packs
        if self._alerts > packs.most_alerts:
            self._roll_back(f"{self._alerts} alerts in {self._watched_s:.0f} s after its promotion")
        elif self._watched_s >= packs.watch_s:
            self._is_watched = False
            self._shelf.write(self._shelf.read().model_copy(update={"stage": "stable"}))
            self._say("the promoted pack has stood its time")
        elif self._monotonic() - self._saved_at >= _SAVE_EVERY_S:
            self._saved_at = self._monotonic()
            changes = {"watched_s": self._watched_s, "alerts": self._alerts, "starts": 0}
            self._shelf.write(self._shelf.read().model_copy(update=changes))

    def _promote_asked(self, pending: Pending) -> None:
        try:
            self._promote()
        except SetupError as error:
            self._book.finish(pending, Verdict("failed", str(error)))
            return
        self._book.finish(pending, _DONE)

    def _roll_back_asked(self, pending: Pending) -> None:
        state = self._shelf.read()
        if state.candidate is not None:
            self.close()
            self._shelf.reject(_ASKED, is_fault=False)
            self._say(f"the candidate is dropped: {_ASKED}")
        elif not state.before:
            self._book.finish(pending, Verdict("failed", "there is nothing to go back to"))
            return
        else:
            self._is_watched = False
            self._shelf.roll_back(_ASKED)
            self._say(f"the bundle before decides again: {_ASKED}")
            self.begins_anew = True
        self._book.finish(pending, _DONE)

    def _promote(self) -> None:
        self._shelf.promote()
        self._outbox.alarms.clear_alarm("rolled_back")
        self._say("the candidate is promoted and decides from now on")
        self.close()
        self.begins_anew = True

    def _roll_back(self, reason: str) -> None:
        self._is_watched = False
        if self._shelf.roll_back(reason):
            self._outbox.alarms.raise_alarm("rolled_back", reason)
            self.begins_anew = True

    def _reject(self, reason: str) -> None:
        self.close()
        self._shelf.reject(reason)
        self._outbox.alarms.raise_alarm("pack_rejected", reason)

    def _save(self, shadow: Shadow) -> None:
        self._saved_at = self._monotonic()
        state = self._shelf.read()
        stands = self._saved_at - self._began_at >= _STANDS_S
        changes = {"counts": shadow.counts(), "tries": 0 if stands else state.tries}
        self._shelf.write(state.model_copy(update=changes))

    def _say(self, text: str) -> None:
        log.warning("%s", text)
        with database.transaction(self._outbox.connection) as connection:
            note_entry(connection, self._clock, "pack", text)


def _remove(delivery: Path) -> None:
    try:
        delivery.unlink(missing_ok=True)
    except OSError as error:  # of another user, in a folder of theirs: the uplink tries again
        log.warning("%s cannot be removed: %s", delivery, error)
