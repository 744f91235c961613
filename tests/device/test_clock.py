from __future__ import annotations

import uuid
from datetime import datetime, timedelta, timezone

from edgeclip_device.clock import SystemClock, believed, boot_id, told_boot_id
from support.clocks import NOON


def test_the_system_clock_is_aware_and_the_boot_clock_never_steps_back() -> None:
    clock = SystemClock()
    before = clock.boot_ns()
    assert clock.now().tzinfo is timezone.utc
    assert clock.boot_ns() >= before > 0


def test_trust_names_its_source() -> None:
    trust = SystemClock().trust()
    assert trust.trusted is (trust.source != "none")


def test_a_time_before_this_software_is_not_believed() -> None:
    assert believed(datetime(1970, 1, 1, 0, 1, tzinfo=timezone.utc), None) is None


def test_a_time_before_the_last_anchor_is_not_believed() -> None:
    assert believed(NOON, NOON + timedelta(seconds=1)) is None
    assert believed(NOON, NOON - timedelta(seconds=1)) == NOON


def test_a_boot_id_of_systemd_is_the_kernels() -> None:
    assert told_boot_id(boot_id().replace("-", "")) == boot_id()
    assert told_boot_id("") is None
    assert told_boot_id("%b") is None


def test_the_boot_id_is_a_uuid_and_stays() -> None:
    assert boot_id() == boot_id() == str(uuid.UUID(boot_id()))
