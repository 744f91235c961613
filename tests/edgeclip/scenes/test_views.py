"""Training views: frames and crops of what may be seen, with true facts."""

from __future__ import annotations

import numpy as np
import pytest

from edgeclip.contract.preprocess_spec import PreprocessSpec
from edgeclip.scenes.species import BLANK
from edgeclip.scenes.views import TRAINING_LABELS, View, sample_views

SPEC = PreprocessSpec(size=48, mean=(0, 0, 0), std=(1, 1, 1))


@pytest.fixture(scope="module")
def views() -> list[View]:
    return sample_views(70, 30, SPEC)


def test_views_are_frames_and_crops_at_the_encoders_size(views: list[View]) -> None:
    assert {view.is_crop for view in views} == {True, False}
    assert all(view.pixels.shape == (48, 48, 3) for view in views)
    assert all(view.pixels.dtype == np.uint8 for view in views)


def test_views_show_only_what_may_be_trained_on(views: list[View]) -> None:
    labels = {view.label for view in views}
    assert labels <= set(TRAINING_LABELS)
    assert len(labels) > 5
    assert not any("leopard" in view.facts for view in views)


def test_a_view_states_its_label_and_its_light(views: list[View]) -> None:
    for view in views:
        assert view.label in view.facts
        assert len(view.facts & {"day", "dusk", "infrared"}) == 1


def test_the_same_location_gives_the_same_views(views: list[View]) -> None:
    again = sample_views(70, 30, SPEC)
    assert [view.facts for view in again] == [view.facts for view in views]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(again, views, strict=True))


def test_labels_can_be_chosen() -> None:
    assert {view.label for view in sample_views(71, 4, SPEC, ("leopard",))} == {"leopard"}
    assert {view.label for view in sample_views(71, 4, SPEC, (BLANK,))} == {BLANK}
