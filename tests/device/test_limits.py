from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing

import numpy as np
import pytest

from edgeclip_device.config import DeviceSettings
from edgeclip_device.limits import RateLimits, TokenBucket
from edgeclip_device.outbox import Outbox
from support.clocks import StandingClock
from support.drawn_clips import crossing, ground
from support.pipelines import opened_rig

Make = Callable[..., DeviceSettings]


def test_a_bucket_gives_what_it_holds_and_then_its_rate() -> None:
    bucket = TokenBucket(rate_per_s=0.5, size=3)
    assert [bucket.take(0.0) for _ in range(5)] == [True] * 3 + [False] * 2
    assert [bucket.take(1.0 + n) for n in range(4)] == [False, True, False, True]
    assert bucket.held_back == 4


def test_a_bucket_holds_no_more_than_its_size_however_long_nothing_was_taken() -> None:
    bucket = TokenBucket(rate_per_s=1.0, size=2)
    bucket.take(0.0)
    assert [bucket.take(1e6) for _ in range(3)] == [True, True, False]


def test_a_clock_that_steps_back_gives_nothing() -> None:
    bucket = TokenBucket(rate_per_s=1.0, size=1)
    bucket.take(100.0)
    assert not bucket.take(50.0)


def test_frames_beyond_the_limit_are_not_classified_counted_and_an_alarm(
    make_settings: Make,
) -> None:
    limits = {"inferences_per_min": 6.0, "inferences_burst_min": 1.0}
    settings = make_settings(motion={"algorithm": "off", "forced_every_s": 2.0}, limits=limits)
    with opened_rig(settings) as rig:
        rig.feed([ground()] * 40)  # 4 s
        counts = rig.pipeline.counts
        assert counts.classified == 6
        assert counts.rate_limited == 34
        alarm = rig.outbox.alarms.standing()["rate_limited"]
        assert "inferences_per_min = 6" in alarm.detail


def test_a_forced_frame_goes_through_in_any_case(make_settings: Make) -> None:
    limits = {"inferences_per_min": 0.1, "inferences_burst_min": 1.0}
    settings = make_settings(motion={"forced_every_s": 2.0}, limits=limits)
    with opened_rig(settings) as rig:
        rig.feed([ground()] * 61)
        assert rig.pipeline.counts.classified == 4


def test_the_alarm_is_over_when_there_is_room_again(make_settings: Make) -> None:
    limits = {"inferences_per_min": 60.0, "inferences_burst_min": 0.1}
    with opened_rig(make_settings(limits=limits)) as rig:
        rig.feed([ground()] * 20 + crossing()[30:90])
        assert "rate_limited" in rig.outbox.alarms.standing()
        rig.feed([ground()] * 300)
        rig.feed(crossing()[30:36])  # the alarm is looked at where something moves
        assert "rate_limited" not in rig.outbox.alarms.standing()


def test_an_alert_beyond_the_limit_comes_as_routine_and_is_counted(make_settings: Make) -> None:
    settings = make_settings(
        limits={"alerts_per_hour": 1.0}, visits={"cooldown_s": 0.0, "quiet_s": 2.0}
    )
    with opened_rig(settings) as rig:
        for _ in range(3):
            rig.feed(crossing(frames=130, enter=30, leave=60))
        rig.feed([ground()] * 30)
        rows = rig.rows()
        new = [(row.phase, row.severity) for row in rows if row.phase == "new"]
        assert new == [("new", "alert"), ("new", "routine"), ("new", "routine")]
        assert rig.pipeline.counts.alerts_held == 2
        assert rig.pipeline.counts.alerts == 1
        severities: dict[str, set[str]] = {}
        for row in rows:
            severities.setdefault(row.detection_id, set()).add(row.severity)
        assert all(len(found) == 1 for found in severities.values())
        assert "alerts_per_hour = 1" in rig.outbox.alarms.standing()["rate_limited"].detail


def test_a_process_that_ends_again_and_again_has_no_more_alerts_than_one(
    make_settings: Make,
) -> None:
    settings = make_settings(
        limits={"alerts_per_hour": 2.0}, visits={"cooldown_s": 0.0, "quiet_s": 2.0}
    )
    new = []
    for _ in range(4):
        with opened_rig(settings) as rig:
            rig.feed(crossing(frames=130, enter=30, leave=60))
            new = [row.severity for row in rig.rows() if row.phase == "new"]
    assert new == ["alert", "alert", "routine", "routine"]


@pytest.mark.parametrize(("boot_id", "expected"), [("same", True), ("another", False)])
def test_time_fills_the_bucket_again_where_a_boots_clock_tells_it(
    make_settings: Make, boot_id: str, expected: bool
) -> None:
    settings = make_settings()
    with closing(Outbox(settings.state, settings.outbox, StandingClock())) as outbox:
        boot = outbox.boot_id if boot_id == "same" else boot_id
        outbox.note("alerts_left", json.dumps({"boot_id": boot, "tokens": 0.0, "at_s": 100.0}))
        bucket = TokenBucket(1 / 60, 60)
        RateLimits(settings.limits, bucket, outbox)
        assert bucket.take(170.0) is expected
        outbox.note("alerts_left", "{rubbish")
        full = TokenBucket(1 / 60, 60)
        RateLimits(settings.limits, full, outbox)
        assert full.take(0.0)


def test_animals_that_only_forced_frames_find_mean_a_gate_that_is_stuck(
    make_settings: Make,
) -> None:
    everywhere = [[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]]
    motion = {"masks": everywhere, "forced_every_s": 2.0}
    dull_red = np.full_like(ground(), (180, 45, 45))  # as bright as the ground
    once = [dull_red] + [ground()] * 29  # ten frames are held, and two seconds on one is forced
    with opened_rig(make_settings(motion=motion)) as rig:
        rig.feed(once * 2)
        assert "gate_stuck" not in rig.outbox.alarms.standing()
        rig.feed(once)
        assert "masks, zones" in rig.outbox.alarms.standing()["gate_stuck"].detail


def test_a_gate_that_opens_is_not_stuck(make_settings: Make) -> None:
    with opened_rig(make_settings(motion={"forced_every_s": 2.0})) as rig:
        for _ in range(3):
            rig.feed(crossing(frames=130, enter=30, leave=60))
        assert "gate_stuck" not in rig.outbox.alarms.standing()
