"""When health is told: at every connect and every few minutes; kept, one an hour, while offline."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Literal

from pydantic import ValidationError

from edgeclip.contract.health import Health
from edgeclip.contract.logbook import Log
from edgeclip.contract.topics import DeviceTopics
from edgeclip_device.backlog import Backlog
from edgeclip_device.clock import WallClock
from edgeclip_device.config import DeviceSettings
from edgeclip_device.drain import DrainCounts
from edgeclip_device.events import Answered
from edgeclip_device.health import HealthComposer, LinkFacts, outbox_facts
from edgeclip_device.health_store import HealthStore
from edgeclip_device.machine.alarms import MachineAlarms
from edgeclip_device.machine.telemetry import read_telemetry
from edgeclip_device.machine.tree import Tree
from edgeclip_device.power.schedule import UNTIMED
from edgeclip_device.publisher import Publisher
from edgeclip_device.vitals import VITALS, Vitals

log = logging.getLogger(__name__)

_HOUR_S = 3600.0
_ROWS_A_LOG = 12
_ROW_BYTES = 1600  # at most; 1.2 kB as a rule
_REFUSED = 0x80  # reason codes from here on: the broker did not take the message


class HealthDesk:
    """Composes health when it is due, and publishes or keeps it.

    Args:
        settings: The device's configuration.
        clock: The machine's clocks.
        boot_id: Of this boot.
        tree: The machine's files.
        sent_bytes: Tells what left today, where that is counted.
        on_desk: Whether a person at a desk looks on: that a clock is not believed is no alarm then.
    """

    def __init__(
        self,
        settings: DeviceSettings,
        clock: WallClock,
        boot_id: str,
        tree: Tree | None = None,
        *,
        sent_bytes: Callable[[], int | None] = lambda: None,
        on_desk: bool = False,
    ) -> None:
        self._on_desk = on_desk
        self._sent_bytes = sent_bytes
        self._settings = settings
        self._clock = clock
        self._boot_id = boot_id
        self._tree = tree or Tree()
        self._topics = DeviceTopics(settings.project, settings.device_id)
        self._composer = HealthComposer(settings, clock)
        self._judge = MachineAlarms(settings.health.overtemp_c)
        self._due_at = -float("inf")
        self._has_kept = True  # until a look says no
        self._kept_due_at = time.monotonic() + settings.health.interval_s
        self._connects: deque[float] = deque(maxlen=1000)
        self._receipt_at: float | None = None
        self._asked: tuple[int, float] | None = None  # number and time of the last health
        self._rtt_ms: float | None = None
        self._logged: tuple[int, list[str]] | None = None  # number of a log, and its hours
        self._rows_a_log = _ROWS_A_LOG
        self._taken: list[str] = []  # hours that the broker has: to be deleted

    def on_connected(self, maximum_packet: int | None = None) -> None:
        """Health is due at once, and what was kept follows.

        Args:
            maximum_packet: How large a message the broker takes; None where it does not say.
        """
        fitting = _ROWS_A_LOG if maximum_packet is None else maximum_packet // _ROW_BYTES
        self._rows_a_log = max(1, min(_ROWS_A_LOG, fitting))
        self._connects.append(time.monotonic())
        self._due_at = -float("inf")
        self._asked = self._logged = None
        self._has_kept = True

    def on_receipt(self) -> None:
        """Note that the dashboard gives receipts."""
        self._receipt_at = time.monotonic()

    def on_answer(self, answer: Answered) -> None:
        """Take in the broker's answer to a health or a log; others are passed over."""
        if self._asked is not None and answer.mid == self._asked[0]:
            self._rtt_ms = round((time.monotonic() - self._asked[1]) * 1000, 1)
            self._asked = None
        if self._logged is not None and answer.mid == self._logged[0]:
            if answer.code < _REFUSED:
                self._taken = self._logged[1]
            self._logged = None

    def tell(self, link: Publisher, backlog: Backlog, counts: DrainCounts) -> None:
        """Publish health if it is due, and then a part of what was kept.

        Raises:
            PublishError: The connection broke.
            OutboxError: The outbox cannot be read.
        """
        now = time.monotonic()
        if now >= self._due_at:
            health = self._compose(backlog, "online", counts)
            self._due_at = now + self._interval_s(backlog)
            expiry_s = round(2 * self._settings.health.interval_s)
            data = health.to_json()
            mid = link.publish(self._topics.health, data, retain=True, expiry_s=expiry_s)
            self._asked = (mid, time.monotonic())
        if self._has_kept and self._logged is None:
            self._tell_kept(link, HealthStore(backlog.connection))

    def keep_if_due(
        self, backlog: Backlog, state: Literal["offline", "connecting", "online"]
    ) -> None:
        """Keep this hour's health while there is no connection.

        Raises:
            OutboxError: It could not be written.
        """
        now = time.monotonic()
        if state == "online":
            self._kept_due_at = now + self._settings.health.interval_s
        elif now >= self._kept_due_at:
            self._kept_due_at = now + self._settings.health.interval_s
            health = self._compose(backlog, state, None)
            hour = f"{self._boot_id}/{int(health.uptime_s // _HOUR_S)}"
            HealthStore(backlog.connection).keep(hour, health.to_json())

    def _compose(
        self,
        backlog: Backlog,
        state: Literal["offline", "connecting", "online"],
        counts: DrainCounts | None,
    ) -> Health:
        now = time.monotonic()
        since = self._receipt_at
        link = LinkFacts(
            state=state,
            rtt_ms=self._rtt_ms,
            reconnects_1h=sum(now - at < _HOUR_S for at in self._connects),
            tx_bytes_day=self._sent_bytes(),
            refused=counts.refused_by_broker if counts else None,
            resent=counts.resent if counts else None,
            last_receipt_age_s=None if since is None else round(now - since, 1),
        )
        machine = read_telemetry(self._tree, self._settings.state, self._settings.health)
        untimed = backlog.noted(UNTIMED) or ""
        now_s = self._clock.boot_ns() / 1e9
        judged = self._judge.judge(now_s, machine, self._clock.trust(), untimed)
        for code, detail in judged.items():
            is_told = code != "clock_untrusted" or not self._on_desk
            backlog.alarms.set_alarm(code, detail if is_told else None)
        return self._composer.compose(
            self._boot_id,
            machine,
            outbox_facts(backlog.connection, self._clock.now()),
            link,
            Vitals.from_json(backlog.noted(VITALS)),
        )

    def _interval_s(self, backlog: Backlog) -> float:
        health = self._settings.health
        if backlog.alarms.standing():
            return min(health.interval_s, health.alarm_interval_s)
        return health.interval_s

    def _tell_kept(self, link: Publisher, store: HealthStore) -> None:
        if self._taken:
            store.forget(self._taken)
            self._taken = []
        rows = store.oldest(self._rows_a_log)
        self._has_kept = bool(rows)
        if rows:
            message = Log(device_id=self._settings.device_id, health=_readable(rows))
            mid = link.publish(self._topics.log, message.to_json())
            self._logged = (mid, [hour for hour, _ in rows])


def _readable(rows: list[tuple[str, bytes]]) -> list[Health]:
    found = []
    for hour, payload in rows:
        try:
            found.append(Health.model_validate_json(payload))
        except ValidationError:
            log.warning("a kept health row of another version (%s) is dropped", hour)
    return found
