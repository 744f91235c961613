from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeclip.evaluation.alerts import AlertFigures, alert_figures
from support.judged import Row, judged

DAY_S = 86_400


def _figures(rows: list[Row], called: list[int]) -> AlertFigures | None:
    images = judged(rows)
    marks = np.isin(np.arange(len(rows)), called)
    return alert_figures(images, marks, images.is_target("leopard"))


def _known(rows: list[Row], called: list[int]) -> AlertFigures:
    found = _figures(rows, called)
    assert found is not None
    return found


def test_frames_within_the_cooldown_are_one_alert_and_one_visit() -> None:
    rows = [Row("leopard", "A", at) for at in (0, 100, 200, 1000)]
    found = _known(rows, [0, 1, 2, 3])
    assert (found.visits, found.visits_found, found.alerts, found.true_alerts) == (2, 2, 2, 2)
    assert found.alerts_per_found_visit == 1


def test_a_visit_that_is_called_early_and_late_is_told_twice() -> None:
    rows = [Row("leopard", "A", at) for at in (0, 90, 180, 270)]
    found = _known(rows, [0, 3])
    assert (found.visits, found.alerts, found.alerts_per_found_visit) == (1, 2, 2)


def test_false_alarms_are_counted_a_camera_and_day() -> None:
    rows = [Row("blank", place, day * DAY_S) for place in "AB" for day in range(5)]
    found = _known(rows, [0, 1, 5])
    assert found.camera_days == 10
    assert found.false_alarms_per_camera_day == pytest.approx(0.3)
    assert found.precision == 0
    assert math.isnan(found.recall)


def test_two_cameras_at_the_same_moment_are_two_alerts() -> None:
    rows = [Row("leopard", place, 0) for place in "AB"]
    assert _known(rows, [0, 1]).alerts == 2


def test_an_alert_on_another_animal_of_the_same_visit_is_no_false_one() -> None:
    rows = [Row("leopard", "A", 0), Row("blank", "A", 60)]
    found = _known(rows, [0, 1])
    assert (found.alerts, found.true_alerts, found.visits_found) == (1, 1, 1)


def test_a_visit_whose_frames_were_not_called_is_missed() -> None:
    found = _known([Row("leopard", "A", 0), Row("blank", "A", 3600)], [1])
    assert (found.visits_found, found.recall, found.true_alerts) == (0, 0, 0)


@pytest.mark.parametrize(
    "rows",
    [[Row("leopard", "A")], [Row("leopard", None, 0)], [Row("blank", "A", 0), Row("blank", "A")]],
    ids=["no times", "no places", "half of the times"],
)
def test_without_times_or_places_a_rate_is_unknown(rows: list[Row]) -> None:
    assert _figures(rows, [0]) is None


@given(
    st.lists(
        st.tuples(st.integers(0, 2000), st.sampled_from("AB"), st.booleans(), st.booleans()),
        min_size=1,
        max_size=20,
    )
)
def test_the_counts_always_fit_together(rows: list[tuple[int, str, bool, bool]]) -> None:
    images = [Row("leopard" if true else "blank", place, at) for at, place, true, _ in rows]
    found = _known(images, [number for number, row in enumerate(rows) if row[3]])
    assert 0 <= found.visits_found <= found.visits
    assert 0 <= found.true_alerts <= found.alerts <= len(rows)
    assert found.camera_days >= 1
    assert (found.visits_found > 0) == (found.true_alerts > 0)


def test_two_cameras_at_one_place_have_days_and_alerts_of_their_own() -> None:
    rows = [Row("leopard", "A", at, camera=name) for name in "LR" for at in (0, 60)]
    found = _known(rows, [0, 2])
    assert (found.camera_days, found.visits, found.visits_found, found.alerts) == (2, 2, 2, 2)


def test_the_time_to_an_alert_is_from_the_first_image_of_a_visit_to_the_first_that_is_called() -> (
    None
):
    rows = [Row("leopard", place, at) for place in "ABC" for at in (0, 60, 120)]
    found = _known(rows, [1, 2, 3])  # A after 60 s, B at once, C never
    assert list(found.to_alert_s) == [60.0, 0.0]
    assert found.time_to_alert_s(0.5) == 30
    assert found.time_to_alert_s(0.95) == pytest.approx(57)
    assert math.isnan(_known(rows, []).time_to_alert_s(0.5))
