from __future__ import annotations

from itertools import pairwise

import pytest

from edgeclip.contract.pack import Thresholds
from edgeclip_device.visit_records import Revision, Sighting
from edgeclip_device.visit_settings import VisitSettings
from edgeclip_device.visits import VisitTracker

LEOPARD = Thresholds(on=0.6, off=0.4, peak=0.7)
SETTINGS = VisitSettings(frames=2, of=3)


def _tracker(settings: VisitSettings = SETTINGS) -> VisitTracker[str]:
    return VisitTracker(settings)


def _seen(at_s: float, probability: float, *, contradicts: bool = False) -> Sighting[str]:
    """Return a frame of a class whose only rival has the rest of the probability."""
    margin = 2 * probability - 1
    return Sighting(at_s, probability, margin, f"{at_s:.1f}", LEOPARD, contradicts)


def _feed(
    tracker: VisitTracker[str],
    probabilities: list[float],
    start_s: float = 0.0,
    step_s: float = 0.2,
) -> list[Revision[str]]:
    """Feed frames of one class, and return all revisions."""
    found = []
    for n, probability in enumerate(probabilities):
        at_s = start_s + n * step_s
        found += tracker.take({"leopard": _seen(at_s, probability)}, 1000)
        found += tracker.expire(at_s)
    return found


@pytest.mark.parametrize(
    ("probabilities", "confirmed"),
    [
        ([0.9], False),
        ([0.9, 0.9], True),
        ([0.9, 0.1, 0.9], True),
        ([0.9, 0.1, 0.1, 0.9], False),
        ([0.65, 0.65, 0.65], False),
        ([0.65, 0.71], True),
        ([0.59, 0.59, 0.59, 0.97], False),
        ([0.6, 0.7], True),
        ([], False),
    ],
    ids=[
        "one frame", "two", "two of three", "two of four", "never a peak", "one at the peak",
        "one is not two", "on the thresholds", "nothing",
    ],
)  # fmt: skip
def test_two_of_three_frames_and_a_peak_confirm(
    probabilities: list[float], confirmed: bool
) -> None:
    phases = [revision.phase for revision in _feed(_tracker(), probabilities)]
    assert phases == (["new"] if confirmed else [])


def test_a_single_frame_confirms_where_that_is_asked_for() -> None:
    tracker = _tracker(VisitSettings(frames=1, of=1))
    assert [revision.phase for revision in _feed(tracker, [0.9])] == ["new"]


def test_frames_far_apart_do_not_vote_together() -> None:
    assert _feed(_tracker(), [0.9, 0.9, 0.9], step_s=60.0) == []


def test_the_detection_says_how_the_frames_voted() -> None:
    (revision,) = _feed(_tracker(), [0.1, 0.65, 0.8])
    visit = revision.visit
    assert (visit.frames, visit.agreeing, visit.median) == (3, 2, 0.65)
    assert (visit.first.what, visit.best.what, visit.best.probability) == ("0.2", "0.4", 0.8)


def test_a_visit_ends_when_it_was_quiet_for_long_enough() -> None:
    tracker = _tracker()
    (new,) = _feed(tracker, [0.9, 0.9])
    assert tracker.expire(10.1) == []
    (end,) = tracker.expire(10.2)
    assert (end.phase, end.end_reason) == ("end", "quiet")
    assert (end.visit.detection_id, end.visit.rev) == (new.visit.detection_id, 1)
    assert tracker.expire(100) == []


def test_a_visit_lasts_while_frames_reach_off() -> None:
    tracker = _tracker()
    phases = [item.phase for item in _feed(tracker, [0.9, 0.9] + [0.4] * 20, step_s=2.0)]
    assert phases == ["new"]
    assert [item.phase for item in _feed(tracker, [0.39] * 6, 44.0, 2.0)] == ["end"]


def test_a_sighting_in_the_cool_down_extends_the_same_detection() -> None:
    tracker = _tracker()
    (new,) = _feed(tracker, [0.9, 0.9])
    (end,) = tracker.expire(20)
    (again,) = _feed(tracker, [0.9, 0.9], start_s=100)
    (last,) = tracker.expire(120)
    ids = {item.visit.detection_id for item in (new, end, again, last)}
    assert len(ids) == 1
    assert [item.visit.rev for item in (new, end, again, last)] == [0, 1, 2, 3]
    assert [item.phase for item in (new, end, again, last)] == ["new", "end", "update", "end"]


def test_after_the_cool_down_there_is_a_new_detection() -> None:
    tracker = _tracker()
    (first,) = _feed(tracker, [0.9, 0.9])
    tracker.expire(20)
    (second,) = _feed(tracker, [0.9, 0.9], start_s=0.2 + 120.1)
    assert second.phase == "new"
    assert second.visit.detection_id != first.visit.detection_id
    assert second.visit.continued_from is None


def test_an_alert_of_one_class_does_not_silence_another() -> None:
    tracker = _tracker()
    _feed(tracker, [0.9, 0.9])
    fox = [tracker.take({"fox": _seen(n, 0.9)}, 1000) for n in (1.0, 1.2)]
    assert [item.phase for items in fox for item in items] == ["new"]


def test_a_much_better_frame_is_told_but_not_too_often() -> None:
    tracker = _tracker()
    found = _feed(tracker, [0.7, 0.7] + [0.7 + 0.003 * n for n in range(99)], step_s=0.5)
    times = [float(item.visit.best.what) for item in found]
    assert [item.phase for item in found] == ["new"] + ["update"] * (len(found) - 1)
    assert 3 <= len(found) <= 6
    assert all(later - earlier >= 10 for earlier, later in pairwise(times))


def test_a_frame_that_is_hardly_better_is_not_worth_a_revision() -> None:
    assert len(_feed(_tracker(), [0.9, 0.9] + [0.91] * 100)) == 1


def test_the_end_carries_the_best_frame_of_all() -> None:
    tracker = _tracker()
    _feed(tracker, [0.7, 0.7, 0.97, 0.7])
    (end,) = tracker.expire(50)
    assert end.visit.best.probability == 0.97


def test_a_very_long_visit_alerts_again_and_names_the_one_before() -> None:
    tracker = _tracker(VisitSettings(realert_s=60.0))
    found = _feed(tracker, [0.9] * 80, step_s=1.0)  # told anew before it is told of again
    assert [item.phase for item in found] == ["new", "end", "new"]
    assert found[2].visit.continued_from == found[0].visit.detection_id


def test_visits_that_are_open_at_the_end_are_closed_with_the_reason() -> None:
    tracker = _tracker()
    _feed(tracker, [0.9, 0.9])
    (end,) = tracker.close("shutdown")
    assert (end.phase, end.end_reason) == ("end", "shutdown")
    assert tracker.close("shutdown") == []


def test_a_frame_after_a_gap_ends_the_old_visit_and_may_go_on_with_it() -> None:
    tracker = _tracker(VisitSettings(frames=1, of=1))
    _feed(tracker, [0.9])
    found = _feed(tracker, [0.9], start_s=30.0)
    assert [(item.phase, item.visit.rev) for item in found] == [("end", 1), ("update", 2)]


TEN = VisitSettings()


@pytest.mark.parametrize(
    ("probabilities", "confirmed"),
    [
        ([0.9] * 2, False),
        ([0.9] * 3, True),
        ([0.1] * 7 + [0.9] * 3, False),
        ([0.1] * 4 + [0.9] * 6, True),
        ([0.1] * 5 + [0.9] * 5, False),
        ([0.65] * 10, False),
        ([0.65] * 9 + [0.72], True),
        ([0.97], False),
        ([0.98], True),
    ],
    ids=[
        "two frames", "three", "three of ten", "six of ten", "half", "never a peak",
        "one at the peak", "sure, but one", "certain",
    ],
)  # fmt: skip
def test_ten_frames_vote_with_their_median_and_three_fifths_of_them(
    probabilities: list[float], confirmed: bool
) -> None:
    found = _feed(_tracker(TEN), probabilities)
    assert [revision.phase for revision in found] == (["new"] if confirmed else [])


def test_a_certain_frame_is_not_enough_where_that_is_switched_off() -> None:
    assert _feed(_tracker(VisitSettings(fast_path=False)), [0.99, 0.99]) == []


def test_a_certain_frame_with_a_rival_is_not_enough() -> None:
    tracker = _tracker(TEN)
    assert tracker.take({"leopard": Sighting(0.0, 0.98, 0.85, "", LEOPARD)}, 1000) == []


def test_a_frame_in_which_another_class_is_likelier_does_not_agree() -> None:
    low = Thresholds(on=0.3, off=0.2, peak=0.3)
    tracker = _tracker(SETTINGS)
    rival = [Sighting(n / 5, 0.4, -0.1, "", low) for n in range(9)]
    assert [item for seen in rival for item in tracker.take({"leopard": seen}, 1000)] == []


def test_a_visit_that_goes_on_is_told_once_a_minute() -> None:
    found = _feed(_tracker(TEN), [0.9] * 200, step_s=1.0)
    assert [item.phase for item in found] == ["new", "update", "update", "update"]
    times = [float(item.visit.last.what) for item in found]
    assert all(later - earlier == 60 for earlier, later in pairwise(times))


def test_silence_without_support_is_no_revision() -> None:
    tracker = _tracker(VisitSettings(quiet_s=300.0))
    found = _feed(tracker, [0.9] * 3 + [0.1] * 100, step_s=1.0)
    assert [item.phase for item in found] == ["new"]


def _feed_both(
    tracker: VisitTracker[str], frames: list[tuple[float, float]], start_s: float = 0.0
) -> list[Revision[str]]:
    """Feed frames of which a leopard and a fox have these probabilities."""
    found = []
    for n, (leopard, fox) in enumerate(frames):
        at_s = start_s + n * 0.2
        sightings = {
            "leopard": _seen(at_s, leopard, contradicts=fox > 0.5),
            "fox": _seen(at_s, fox, contradicts=leopard > 0.5),
        }
        found += tracker.take(sightings, 1000)
    return found


def test_a_visit_that_turns_out_to_be_another_class_is_retracted() -> None:
    found = _feed_both(_tracker(TEN), [(0.99, 0.01)] + [(0.05, 0.9)] * 12)
    phases = [(item.phase, item.visit.class_name) for item in found]
    assert phases == [("new", "leopard"), ("new", "fox"), ("retract", "leopard")]
    new, _, retract = found
    assert (retract.visit.detection_id, retract.visit.rev) == (new.visit.detection_id, 1)


def test_what_comes_after_a_retraction_names_it() -> None:
    tracker = _tracker(TEN)
    tracker.take({"leopard": _seen(0.0, 0.99)}, 1000)
    fox = [(0.05, 0.65)] * 10 + [(0.05, 0.75)]  # it lacks a peak until the leopard is retracted
    found = _feed_both(tracker, fox, start_s=0.2)
    assert [(item.phase, item.visit.class_name) for item in found] == [
        ("retract", "leopard"), ("new", "fox"),
    ]  # fmt: skip
    assert found[1].visit.continued_from == found[0].visit.detection_id


def test_a_long_visit_is_not_retracted_because_another_animal_follows() -> None:
    found = _feed_both(_tracker(TEN), [(0.9, 0.05)] * 40 + [(0.05, 0.9)] * 20)
    assert [item.phase for item in found] == ["new", "new"]


def test_a_visit_that_only_fades_is_not_retracted() -> None:
    found = _feed(_tracker(TEN), [0.99] + [0.05] * 30)
    assert [item.phase for item in found] == ["new"]


def test_a_retracted_detection_is_not_extended_in_its_cool_down() -> None:
    tracker = _tracker(TEN)
    found = _feed_both(tracker, [(0.99, 0.01)] + [(0.05, 0.9)] * 12)
    again = _feed(tracker, [0.99], start_s=30.0)
    assert again[0].phase == "new"
    assert again[0].visit.detection_id != found[0].visit.detection_id


def test_where_one_frame_votes_nothing_is_retracted() -> None:
    tracker = _tracker(VisitSettings(frames=1, of=1))
    found = _feed_both(tracker, [(0.9, 0.05)] + [(0.05, 0.9)] * 5)
    assert [(item.phase, item.visit.class_name) for item in found] == [
        ("new", "leopard"), ("new", "fox"),
    ]  # fmt: skip
