from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from edgeclip.contract.detection import MOST_BYTES, Detection, MediaRef
from edgeclip.contract.encoder_view import (
    MOST_CELLS,
    MOST_FEATURES,
    Heat,
    ImageFeatures,
    features_from,
)
from support.samples import HASH, detection

WHOLE = (0.0, 0.0, 1.0, 1.0)


def directions(size: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(0).normal(size=size).astype(np.float32)


def features(size: int = 64) -> ImageFeatures:
    return ImageFeatures.of(directions(size), HASH, "crop")


def heat(rows: int = 2, cols: int = 3) -> Heat:
    cells = np.arange(rows * cols, dtype=np.uint8).reshape(rows, cols)
    return Heat.of(cells, "full", WHOLE)


def test_features_come_back_as_a_direction() -> None:
    sent = directions(64)
    back = features_from(features().to_bytes())
    assert np.linalg.norm(back) == pytest.approx(1.0, abs=1e-6)
    assert float(back @ (sent / np.linalg.norm(sent))) > 0.999999


def test_heat_comes_back_cell_by_cell() -> None:
    assert heat().cells().tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_detection_carries_both_and_one_without_them_is_as_before() -> None:
    told = detection().model_copy(update={"features": features(), "heat": heat()})
    again = Detection.model_validate_json(told.to_json())
    assert (again.features, again.heat) == (features(), heat())
    older = json.loads(detection().to_json())
    del older["features"], older["heat"]
    assert Detection.model_validate(older) == detection()


def test_the_largest_detection_with_both_is_within_what_a_dashboard_takes() -> None:
    name = "x" * 64
    refs = [
        MediaRef(n=n, kind="thumb", sha256=HASH, size_bytes=2_000_000, width=4096, height=4096)
        for n in range(84, 100)
    ]
    largest = detection(seq=2**63 - 1, rev=2**63 - 1).model_copy(
        update={
            "features": features(MOST_FEATURES),
            "heat": heat(MOST_CELLS, MOST_CELLS),
            "media": refs,
            "class_name": name,
            "scientific_name": name,
            "top": [(name, 0.1234)] * 5,
            "continued_from": detection().detection_id,
        }
    )
    assert len(largest.to_json()) < MOST_BYTES


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("AAA", "not base64|no whole number"),
        ("AA==", "no whole number"),
        ("AAAA AAA", "pattern"),
        (base64.b64encode(np.array([np.nan, 1], "<f2").tobytes()).decode(), "not finite"),
        (base64.b64encode(bytes(8)).decode(), "all of them are 0"),
        ("A" * 8_000, "at most"),
    ],
    ids=["cut", "half a number", "a space", "not finite", "no direction", "too many"],
)
def test_features_that_cannot_be_are_refused(values: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ImageFeatures(base_sha256=HASH, view="full", values=values)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rows": 3}, "6 cells for 3 x 3"),
        ({"rows": 0}, "greater than or equal to 1"),
        ({"cols": 33}, "less than or equal to 32"),
        ({"values": "////"}, "3 cells for 2 x 3"),
        ({"box": [0, 0, 1.1, 1]}, "less than or equal to 1"),
    ],
    ids=["rows", "none", "too fine", "cells missing", "outside of the frame"],
)
def test_heat_that_cannot_be_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Heat.model_validate(heat().model_dump() | fields)


@pytest.mark.parametrize("size", [0, MOST_FEATURES + 1])
def test_features_of_no_or_too_many_numbers_are_not_sent(size: int) -> None:
    with pytest.raises(ValueError, match="at most 2048"):
        ImageFeatures.of(np.ones(size, np.float32), HASH, "full")
