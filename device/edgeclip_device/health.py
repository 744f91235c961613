"""Health: vitals of detect, the outbox, the link and the machine, joined into one message."""

from __future__ import annotations

import sqlite3
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from edgeclip.contract.health import (
    Health,
    LinkHealth,
    MemoryHealth,
    OutboxHealth,
    PowerHealth,
    StorageHealth,
    ThermalHealth,
)
from edgeclip_device import database
from edgeclip_device.clock import WallClock, believed
from edgeclip_device.config import DeviceSettings
from edgeclip_device.machine.telemetry import Telemetry
from edgeclip_device.vitals import Vitals

_DAY_S = 86_400.0
_LEAST_SPAN_S = 60.0  # a rate over less says nothing
_MOST_SAMPLES = 2_000


@dataclass(frozen=True)
class OutboxFacts:
    """What waits; times are on the boot-time clock, of this boot."""

    rows: int
    size_bytes: int
    oldest_age_s: float | None
    dropped: int


def outbox_facts(connection: sqlite3.Connection, now: datetime) -> OutboxFacts:
    """Return what waits in an outbox.

    Args:
        connection: Of the outbox.
        now: The wall time; ages are of it, and never below 0.

    Raises:
        OutboxError: It cannot be read.
    """
    query = (
        "SELECT (SELECT count(*) FROM outbox),"
        " (SELECT created_at FROM outbox ORDER BY seq LIMIT 1),"
        " (SELECT coalesce(sum(size_bytes), 0) FROM outbox),"
        " (SELECT coalesce(sum(size_bytes), 0) FROM media),"
        " (SELECT coalesce(sum(count), 0) FROM dropped)"
    )
    rows, oldest_at, size, media_size, dropped = database.query(connection, query)[0]
    age_s = (now - datetime.fromisoformat(oldest_at)).total_seconds() if oldest_at else None
    return OutboxFacts(
        rows, size + media_size, None if age_s is None else max(0.0, round(age_s, 1)), dropped
    )


@dataclass(frozen=True)
class LinkFacts:
    """How the connection does; None where the uplink cannot say."""

    state: Literal["offline", "connecting", "online"]
    rtt_ms: float | None = None
    reconnects_1h: int | None = None
    tx_bytes_day: int | None = None
    refused: int | None = None
    resent: int | None = None
    last_receipt_age_s: float | None = None


@dataclass(frozen=True)
class _Sample:
    at_s: float
    written_bytes: int | None
    watts: float | None


class HealthComposer:
    """Joins what is known; remembers a day of samples for what is a rate.

    Args:
        settings: The device's configuration.
        clock: The machine's clocks.
    """

    def __init__(self, settings: DeviceSettings, clock: WallClock) -> None:
        self._settings = settings
        self._clock = clock
        self._samples: deque[_Sample] = deque(maxlen=_MOST_SAMPLES)

    def compose(
        self,
        boot_id: str,
        machine: Telemetry,
        facts: OutboxFacts,
        link: LinkFacts,
        vitals: Vitals | None,
    ) -> Health:
        """Return the health of this moment.

        Args:
            boot_id: Of this boot; vitals of another are too old to be told.
            machine: One look at the machine.
            facts: What waits.
            link: The connection.
            vitals: Of detect; None where it has not run.
        """
        now_s = self._clock.boot_ns() / 1e9
        self._remember(now_s, machine)
        own = vitals if vitals is not None and vitals.boot_id == boot_id else None
        health = Health(
            device_id=self._settings.device_id,
            at=believed(self._clock.now(), self._clock.not_before),
            boot_id=boot_id,
            uptime_s=machine.uptime_s,
            clock=self._clock.trust(),
            outbox=_outbox_health(facts, link),
            link=_link_health(link),
            storage=StorageHealth(
                free_mb=round(machine.disk.free_bytes / 1e6, 1) if machine.disk else None,
                write_mb_day=self._write_mb_day(),
                wear_pct=machine.wear_pct,
            ),
            power=self._power_health(machine),
            thermal=ThermalHealth(tj_c=machine.junction_c, throttled=machine.throttled),
            memory=MemoryHealth(
                rss_mb=own.rss_mb if own else None,
                available_mb=machine.available_mb or (own.available_mb if own else None),
            ),
        )
        return _with_vitals(health, own, now_s)

    def _power_health(self, machine: Telemetry) -> PowerHealth:
        return PowerHealth(
            vdd_in_w=machine.board_w,
            mode_name=machine.mode_name,
            mode_requested=self._settings.power.nvpmodel,
            energy_wh_day=self._energy_wh_day(),
            oc_events=machine.overcurrent_events,
            battery_v=machine.battery_v,
            solar_w=machine.solar_w,
        )

    def _remember(self, now_s: float, machine: Telemetry) -> None:
        while self._samples and now_s - self._samples[0].at_s > _DAY_S:
            self._samples.popleft()
        self._samples.append(_Sample(now_s, machine.written_bytes, machine.board_w))

    def _write_mb_day(self) -> float | None:
        known = [s for s in self._samples if s.written_bytes is not None]
        if not known:
            return None
        first, last = known[0], known[-1]
        span_s = last.at_s - first.at_s
        grown = (last.written_bytes or 0) - (first.written_bytes or 0)
        if span_s < _LEAST_SPAN_S or grown < 0:
            return None
        return round(grown / 1e6 * _DAY_S / span_s, 1)

    def _energy_wh_day(self) -> float | None:
        watts = [s.watts for s in self._samples if s.watts is not None]
        return round(sum(watts) / len(watts) * 24, 1) if watts else None


def _outbox_health(facts: OutboxFacts, link: LinkFacts) -> OutboxHealth:
    return OutboxHealth(
        rows=facts.rows,
        size_bytes=facts.size_bytes,
        oldest_age_s=facts.oldest_age_s,
        dropped=facts.dropped,
        resent=link.resent,
        last_receipt_age_s=link.last_receipt_age_s,
    )


def _link_health(link: LinkFacts) -> LinkHealth:
    return LinkHealth(
        state=link.state,
        rtt_ms=link.rtt_ms,
        reconnects_1h=link.reconnects_1h,
        tx_bytes_day=link.tx_bytes_day,
        refused=link.refused,
    )


def _with_vitals(health: Health, vitals: Vitals | None, now_s: float) -> Health:
    """Return the health with detect's part: a frame's age goes on after detect has ended."""
    if vitals is None:
        return health
    age_s = None if vitals.frame_ns is None else max(0.0, now_s - vitals.frame_ns / 1e9)
    camera = vitals.camera.model_copy(
        update={"frame_age_s": None if age_s is None else round(age_s, 1)}
    )
    return health.model_copy(
        update={
            "camera": camera,
            "gate": vitals.gate,
            "infer": vitals.infer,
            "drift": vitals.drift,
            "visits": vitals.visits,
            "process": vitals.process,
        }
    )
