from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgeclip.errors import ConfigError, SourceError
from edgeclip_device.config import DeviceSettings
from support.clocks import NOON
from support.drawn_clips import FPS, crossing, ground, with_blob
from support.pipelines import opened_rig

Make = Callable[..., DeviceSettings]


def test_a_crossing_animal_is_one_detection_with_an_end(make_settings: Make) -> None:
    with opened_rig(make_settings()) as rig:
        rig.feed(crossing(frames=220))
        new, *updates, end = rig.rows()
    assert (new.phase, new.class_name, new.severity) == ("new", "leopard", "alert")
    assert (end.phase, end.end_reason) == ("end", "quiet")
    assert {item.detection_id for item in (new, *updates, end)} == {new.detection_id}
    assert [item.rev for item in (new, *updates, end)] == list(range(2 + len(updates)))


def test_the_detection_says_who_where_when_and_why(make_settings: Make) -> None:
    settings = make_settings(
        project="ridge", deployment_id="ridge-2026", camera={"camera_id": "north"}
    )
    with opened_rig(settings) as rig:
        rig.feed(crossing()[:60])
        news = rig.rows()[0]
    assert (news.project, news.deployment_id, news.camera_id) == ("ridge", "ridge-2026", "north")
    assert (news.observation_type, news.pack.task, news.pack.backend) == (
        "animal", "leopard", "onnxruntime",
    )  # fmt: skip
    assert news.probability is not None
    assert news.probability > 0.9
    assert news.margin is not None
    assert news.margin > 0.8
    assert news.votes is not None
    assert news.votes.agreeing >= 1
    assert news.thresholds is not None
    assert news.thresholds.on == 0.6
    assert news.gate is not None
    assert news.gate.boxes
    assert news.time.started_at is not None
    assert 3 <= (news.time.started_at - NOON).total_seconds() <= 4.5
    assert news.time.clock.trusted
    assert news.location.mode == "withheld"
    assert news.latency_ms.infer > 0


def test_a_detection_fits_into_its_goal_of_two_kilobytes(make_settings: Make) -> None:
    with opened_rig(make_settings()) as rig:
        rig.feed(crossing()[:60])
        assert len(rig.rows()[0].to_json()) < 2000


def test_the_media_named_are_on_disk_full_and_crop(make_settings: Make) -> None:
    with opened_rig(make_settings()) as rig:
        rig.feed(crossing()[:60])
        refs = rig.rows()[0].media
        assert [(ref.n, ref.kind) for ref in refs] == [(0, "full"), (1, "crop")]
        for ref in refs:
            path = rig.outbox.media_folder / f"{ref.sha256}.jpg"
            assert path.stat().st_size == ref.size_bytes


def test_a_still_scene_says_nothing(make_settings: Make) -> None:
    with opened_rig(make_settings()) as rig:
        rig.feed([ground()] * 100)
        assert rig.rows() == []
        assert rig.pipeline.counts.classified == 1


def test_an_animal_that_stands_still_stays_in_its_visit(make_settings: Make) -> None:
    with opened_rig(make_settings()) as rig:
        rig.feed(crossing(frames=60, leave=60))
        rig.feed([with_blob(ground(), 40 + 4 * 30)] * 300)
        assert not [item for item in rig.rows() if item.phase == "end"]


def test_an_animal_that_stood_there_from_the_start_is_found_by_a_forced_frame(
    make_settings: Make,
) -> None:
    full = np.full_like(ground(), (250, 110, 110))
    with opened_rig(make_settings()) as rig:
        rig.feed([full] * 10)
        assert [item.phase for item in rig.rows()] == ["new"]


def test_the_end_names_its_better_frame_and_keeps_the_first_media(make_settings: Make) -> None:
    small = [with_blob(ground(), x)[:, ::1] for x in range(40, 80, 4)]
    with opened_rig(make_settings()) as rig:
        rig.feed([ground()] * 30 + small + crossing()[30:90])
        rig.pipeline.close("shutdown")
        new, *_, end = rig.rows()
    assert end.end_reason == "shutdown"
    assert {ref.sha256 for ref in new.media} <= {ref.sha256 for ref in end.media}
    assert len({ref.n for ref in end.media}) == len(end.media)


def test_a_failing_engine_is_a_failure_and_never_blank(make_settings: Make) -> None:
    with opened_rig(make_settings()) as rig:
        rig.feed([ground()] * 20)
        rig.backend.is_broken = True
        rig.feed(crossing()[30:60])
        (failure,) = rig.rows()
        assert (failure.failure, failure.class_name, failure.probability) == (
            "engine_failed", None, None,
        )  # fmt: skip
        assert failure.observation_type == "unclassified"
        assert rig.pipeline.counts.failures > 1
        assert list(rig.outbox.alarms.standing()) == ["engine_failed"]
        rig.backend.is_broken = False
        rig.feed(crossing()[60:90])
        phases = [(item.failure, item.phase) for item in rig.rows()]
        assert rig.outbox.alarms.standing() == {}
    assert phases[:2] == [("engine_failed", "new"), ("engine_failed", "end")]
    assert (None, "new") in phases


def test_a_failing_camera_ends_the_visit_and_is_told_once(make_settings: Make) -> None:
    with opened_rig(make_settings()) as rig:
        rig.feed(crossing()[:60])
        for _ in range(3):
            rig.pipeline.fail("camera_failed", NOON)
        rig.feed([ground()])
        rows = [(item.failure, item.phase, item.end_reason) for item in rig.rows()]
    assert rows[0] == (None, "new", None)
    assert rows[-3:] == [
        (None, "end", "camera_fault"),
        ("camera_failed", "new", None),
        ("camera_failed", "end", "quiet"),
    ]


def test_strips_are_cut_off_before_anything_looks(make_settings: Make) -> None:
    images = crossing()
    for n in range(len(images)):
        images[n] = images[n].copy()
        images[n][-20:] = (n * 37 % 256, 0, 0)
    with opened_rig(make_settings(camera={"strip_bottom_px": 20})) as rig:
        rig.feed(images[:60])
        ref = rig.rows()[0].media[0]
    assert (ref.width, ref.height) == (320, 220)


@pytest.mark.parametrize(
    ("asked", "height"), [({}, 210), ({"strip_bottom_px": 20}, 220), ({"strip_bottom_px": 0}, 240)]
)
def test_a_pack_knows_its_strips_and_the_configuration_has_the_last_word(
    asked: dict[str, object], height: int, make_settings: Make, caplog: pytest.LogCaptureFixture
) -> None:
    with opened_rig(make_settings(camera=asked), strip_top_px=0, strip_bottom_px=30) as rig:
        rig.feed(crossing()[:60])
        ref = rig.rows()[0].media[0]
    assert (ref.width, ref.height) == (320, height)
    said = "but the pack was trained without 30 rows there" in caplog.text
    assert said == bool(asked)


def test_strips_that_leave_nothing_are_a_failure_that_names_the_keys(make_settings: Make) -> None:
    settings = make_settings(camera={"strip_top_px": 120, "strip_bottom_px": 120})
    with opened_rig(settings) as rig, pytest.raises(SourceError, match="strips of 120 \\+ 120 px"):
        rig.feed([ground()])


def test_a_routine_class_is_no_alert(make_settings: Make) -> None:
    with opened_rig(make_settings(visits={"routine_classes": ["leopard"]})) as rig:
        rig.feed(crossing()[:60])
        assert rig.rows()[0].severity == "routine"


def test_a_routine_class_that_the_pack_does_not_know_is_refused(make_settings: Make) -> None:
    settings = make_settings(visits={"routine_classes": ["wolf"]})
    with (
        pytest.raises(ConfigError, match="wolf: the pack decides on leopard"),
        opened_rig(settings),
    ):
        pass


def test_what_was_open_at_the_last_end_is_closed_at_the_next_start(make_settings: Make) -> None:
    settings = make_settings()
    with opened_rig(settings) as rig:
        rig.feed(crossing()[:60])
        rig.pipeline.fail("engine_failed", NOON)
    with opened_rig(settings) as rig:
        rig.pipeline.close_journal()
        ended = [item for item in rig.rows() if item.end_reason == "restart"]
        assert {item.failure for item in ended} == {None, "engine_failed"}
        assert rig.outbox.open_visits() == []


def test_the_hook_hears_each_commit_with_its_row(make_settings: Make) -> None:
    with opened_rig(make_settings()) as rig:
        rig.feed(crossing()[:60])
        assert [news.detection.seq for news in rig.commits] == [row.seq for row in rig.rows()]
        assert rig.commits[0].detection.epoch == rig.outbox.epoch
        assert 3 <= rig.commits[0].at_s <= 4.5


def test_a_visit_ends_also_while_no_frames_come(make_settings: Make) -> None:
    with opened_rig(make_settings()) as rig:
        rig.feed(crossing()[:60])
        last_s = (rig.number - 1) / FPS
        rig.pipeline.rest(last_s + 1)
        assert rig.rows()[-1].phase != "end"
        rig.pipeline.rest(last_s + 100)
        last = rig.rows()[-1]
    assert (last.phase, last.end_reason) == ("end", "quiet")
