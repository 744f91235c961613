"""One image's box by heat: what is boxed, and what never is."""

from __future__ import annotations

import numpy as np
import pytest

from edgeclip.archive.answering import Answer
from edgeclip.archive.boxing import box_of
from edgeclip.archive.deciding import Deciders
from edgeclip.contract.pack import ObservationType, PackManifest, Thresholds
from edgeclip.contract.preprocess_spec import Box
from edgeclip.regions import Strips
from support.samples import pack_manifest

WHOLE = (0.0, 0.0, 1.0, 1.0)


def test_what_is_left_of_a_frame_lies_between_its_strips() -> None:
    assert Strips(100, 50).rest_of(1000) == (0.0, 0.1, 1.0, 0.85)
    assert Strips().rest_of(7) == WHOLE


def _manifest(kind: ObservationType = "animal", other: ObservationType = "blank") -> PackManifest:
    first, second = pack_manifest().classes
    classes = [
        first.model_copy(update={"observation_type": kind}),
        second.model_copy(update={"observation_type": other}),
    ]
    return pack_manifest().model_copy(update={"classes": classes})


def _boxed(
    manifest: PackManifest, probabilities: tuple[float, ...], cells: object = None
) -> Box | None:
    """Box a view of 4 x 4 cells whose second one is like a leopard."""
    usual = np.zeros((16, 3), np.float32)
    usual[1, 0] = 1
    own = usual if cells is None else np.asarray(cells, np.float32)
    answer = Answer(np.asarray(probabilities, np.float32), "leopard", cells=own)
    return box_of(answer, probabilities, manifest, Deciders({"leopard": manifest}), WHOLE)


def test_an_animal_is_boxed_around_its_cell() -> None:
    found = _boxed(_manifest(), (0.9, 0.1))
    assert found is not None
    x, y, width, height = found
    assert x < 0.375 < x + width
    assert y < 0.125 < y + height
    assert max(width, height) < 0.5


@pytest.mark.parametrize(
    ("manifest", "probabilities"),
    [
        pytest.param(_manifest("human"), (0.9, 0.1), id="a person is decided"),
        pytest.param(
            _manifest("animal", "human").model_copy(
                update={"thresholds": {"leopard": Thresholds(on=0.3, off=0.2, peak=0.4)}}
            ),
            (0.4, 0.6),
            id="a person is likelier",
        ),
        pytest.param(_manifest(), (0.5, 0.5), id="nothing is decided"),
    ],
)  # fmt: skip
def test_people_and_what_is_not_decided_are_not_boxed(
    manifest: PackManifest, probabilities: tuple[float, ...]
) -> None:
    assert _boxed(manifest, probabilities) is None


@pytest.mark.parametrize(
    "cells",
    [
        pytest.param(np.zeros((1, 3)), id="a tower without cells"),
        pytest.param(np.zeros((15, 3)), id="no square"),
        pytest.param(np.zeros((16, 3)), id="all alike"),
        pytest.param(np.full((16, 3), np.nan), id="not finite"),
        pytest.param(np.full((16, 3), np.inf), id="infinite"),
    ],
)
def test_cells_that_say_nothing_box_nothing(cells: object) -> None:
    assert _boxed(_manifest(), (0.9, 0.1), cells) is None


def test_a_runtime_without_cells_boxes_nothing() -> None:
    answer = Answer(np.array([0.9, 0.1], np.float32), "leopard")
    manifest = _manifest()
    deciders = Deciders({"leopard": manifest})
    assert box_of(answer, (0.9, 0.1), manifest, deciders, WHOLE) is None
