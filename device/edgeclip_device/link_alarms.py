"""The alarms that the uplink raises: of the broker, of a twin, of the day's bytes, of losses."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping

from edgeclip_device.backlog import Backlog
from edgeclip_device.backoff import LinkTiming
from edgeclip_device.budget import Budget

_TOLD = "dropped_told"  # key in `meta`
_QUIET_S = 3600.0  # without a loss, until the alarm of losses is over


class LinkAlarms:
    """Keeps the uplink's alarms as things are.

    Args:
        backlog: The outbox, and its alarms.
        device_id: Also our client id.
        timing: From when on a connection proves something.
        monotonic: Seconds that only grow.
    """

    def __init__(
        self,
        backlog: Backlog,
        device_id: str,
        timing: LinkTiming,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backlog = backlog
        self._device_id = device_id
        self._timing = timing
        self._monotonic = monotonic
        self._login: str | None = None
        self._subscription: str | None = None
        self._lost_at = monotonic()

    def login_refused(self, reason: str) -> None:
        """The broker does not accept who we are."""
        self._login = "the login: " + reason.removeprefix("the broker refuses: ")
        self._set_authority({}, 0.0)

    def subscription(self, refusal: str | None) -> None:
        """The broker has answered our subscription; None where it granted all."""
        self._subscription = refusal and f"the subscription to down/#: {refusal}"

    def link(self, online_s: float, refusals: Mapping[str, str], *, is_twin: bool) -> None:
        """Set the alarms of the link.

        Args:
            online_s: How long the connection has stood; 0 where there is none.
            refusals: Why the broker takes no messages, by what lies below `up/`.
            is_twin: Whether another client seems to have our id.
        """
        if online_s >= self._timing.stable_s:
            self._login = None
        self._set_authority(refusals, online_s)
        if is_twin:
            self._backlog.alarms.raise_alarm(
                "duplicate_client_id",
                f"another client seems to use our id {self._device_id}, often a copied SD card:"
                " give each device a device_id of its own",
            )
        elif online_s >= self._timing.twin_s:
            self._backlog.alarms.clear_alarm("duplicate_client_id")

    def outbox(self, budget: Budget) -> None:
        """Set the alarms of the day's bytes and of losses."""
        self.bytes_of_the_day(budget)
        self.losses()

    def bytes_of_the_day(self, budget: Budget) -> None:
        """Set the alarm of the day's bytes."""
        held = "the bytes of [uplink].daily_mb are spent: only alerts go, as far as their reserve"
        self._backlog.alarms.set_alarm("budget_spent", held if budget.holds_back else None)

    def losses(self) -> None:
        """Raise the alarm of losses where something was dropped; an hour without ends it."""
        dropped = {k: n for k, n in self._backlog.dropped().items() if k != "outbox_reset"}
        known = json.dumps(dropped, sort_keys=True)
        if dropped and known != self._backlog.noted(_TOLD):
            self._lost_at = self._monotonic()
            self._backlog.note(_TOLD, known)
            counts = ", ".join(f"{count} {kind}" for kind, count in sorted(dropped.items()))
            self._backlog.alarms.raise_alarm(
                "outbox_dropping",
                f"dropped so far: {counts}: see `edgeclip-device outbox status` and detect's log",
            )
        elif self._monotonic() - self._lost_at >= _QUIET_S:
            self._backlog.alarms.clear_alarm("outbox_dropping")

    def _set_authority(self, refusals: Mapping[str, str], online_s: float) -> None:
        said = [text for text in (self._login, self._subscription) if text]
        said += [f"up/{kind}: {reason}" for kind, reason in sorted(refusals.items())]
        if said:
            text = f"the broker refuses: {'; '.join(said)}: check its ACL and our credentials"
            self._backlog.alarms.raise_alarm("auth_failed", text)
        elif online_s >= self._timing.stable_s:
            self._backlog.alarms.clear_alarm("auth_failed")
