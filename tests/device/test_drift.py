from __future__ import annotations

import numpy as np

from edgeclip.contract.health import Drift
from edgeclip.contract.pack import Thresholds
from edgeclip_device.drift import DriftWatch
from edgeclip_device.heads import Classification

NAMES = ("leopard", "blank")
THRESHOLDS = {"leopard": Thresholds(on=0.6, off=0.4, peak=0.7)}


def _seen(leopard: float, features: tuple[float, ...] = (1.0, 0.0)) -> Classification:
    probabilities = np.array([leopard, 1 - leopard], np.float32)
    return Classification(NAMES, probabilities, False, 1.0, np.array(features, np.float32))


def _watch(stored: str | None = None, key: str = "pack/place") -> DriftWatch:
    return DriftWatch(key, THRESHOLDS, stored)


def test_before_the_first_frame_nothing_is_known() -> None:
    assert _watch().report() == Drift()


def test_probabilities_are_averaged_and_doubt_is_counted() -> None:
    watch = _watch()
    thresholds_unmet = Classification(
        ("leopard", "blank", "cow"),
        np.array([0.3, 0.4, 0.3], np.float32), False, 1.0, np.ones(2, np.float32),
    )  # fmt: skip
    watch.saw(_seen(0.9))
    watch.saw(thresholds_unmet)
    report = watch.report()
    assert report.mean_top_probability == 0.65
    assert report.unknown_rate == 0.5


def test_a_scene_that_changes_is_far_from_the_first_hundred_frames() -> None:
    watch = _watch()
    for _ in range(100):
        watch.saw(_seen(0.1))
    assert watch.report().feature_distance == 0.0
    for _ in range(100):
        watch.saw(_seen(0.1, (0.0, 1.0)))
    assert watch.report().feature_distance == 1.0


def test_the_reference_outlives_a_restart_and_no_other_pack_or_place() -> None:
    watch = _watch()
    for _ in range(100):
        watch.saw(_seen(0.1))
    again = _watch(watch.stored())
    again.saw(_seen(0.1, (0.0, 1.0)))
    assert again.report().feature_distance == 1.0
    elsewhere = _watch(watch.stored(), "pack/other")
    elsewhere.saw(_seen(0.1, (0.0, 1.0)))
    assert elsewhere.report().feature_distance is None


def test_features_that_are_not_finite_are_left_out() -> None:
    watch = _watch()
    watch.saw(_seen(0.9, (float("nan"), 1.0)))
    assert watch.report().feature_distance is None


def test_a_reference_that_cannot_be_read_begins_anew() -> None:
    for text in ("", "{", '{"key": "pack/place"}', "[]"):
        watch = _watch(text)
        watch.saw(_seen(0.9))
        assert watch.report().feature_distance is None
