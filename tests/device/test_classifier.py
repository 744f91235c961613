from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip.errors import BackendError
from edgeclip_device.backends.base import Outputs
from edgeclip_device.backends.choosing import open_backend
from edgeclip_device.classifier import Classifier
from edgeclip_device.config import InferenceSettings
from edgeclip_device.heads import Classification
from edgeclip_device.pack_router import PackRouter
from edgeclip_device.packs import load_pack
from support.drawn_clips import ground, with_blob

CROP = ((120 - 45) / 320, (140 - 38) / 240, 90 / 320, 76 / 240)


@pytest.fixture(scope="module")
def classifier(bundle: Path) -> Classifier:
    """The leopard pack on ONNX Runtime."""
    settings = InferenceSettings(bundle=bundle, backend="onnxruntime", threads=1)
    pack = load_pack(settings)
    return Classifier(open_backend(pack, settings), PackRouter.of_one(pack))


def test_the_crop_finds_what_the_whole_frame_does_not(classifier: Classifier) -> None:
    image = with_blob(ground(), 120)
    (whole,), (both,) = classifier.classify(image, None), classifier.classify(image, CROP)
    assert whole.probability("leopard") < 0.1
    assert both.probability("leopard") > 0.9
    assert both.from_crop


def test_the_whole_frame_wins_where_it_is_surer(classifier: Classifier) -> None:
    image = np.full((240, 320, 3), (250, 110, 110), np.uint8)
    image[100:140, 100:160] = ground()[:40, :60]
    (found,) = classifier.classify(image, (100 / 320, 100 / 240, 60 / 320, 40 / 240))
    assert not found.from_crop
    assert found.probability("leopard") > 0.9


def test_probabilities_sum_to_one_and_the_margin_is_to_the_likeliest_other(
    classifier: Classifier,
) -> None:
    (found,) = classifier.classify(ground(), None)
    assert found.probabilities.sum() == pytest.approx(1)
    leopard, blank = found.probability("leopard"), found.probability("blank")
    assert found.margin("blank") == pytest.approx(blank - leopard)
    assert [name for name, _ in found.top()] == ["blank", "leopard"]


def test_top_names_at_most_five_within_the_bounds() -> None:
    names = tuple(f"class {n}" for n in range(8))
    probabilities = np.array([1.0000001, 0, 0, 0, 0, 0, 0, 0], np.float32)
    top = Classification(names, probabilities, False, 1.0, np.zeros(4, np.float32)).top()
    assert len(top) == 5
    assert top[0] == ("class 0", 1.0)


@dataclass
class BrokenBackend:
    """Gives what no class can be read from."""

    name: str = "broken"
    precision: str = "fp32"
    shapes: list[tuple[int, ...]] = field(default_factory=list)

    def bind(self, slots: Mapping[str, NDArray[np.float32]]) -> None:
        """Take anything."""

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """Return what is not a number."""
        self.shapes.append(images.shape)
        nothing = np.full((len(images), 2), np.nan, np.float32)
        return Outputs(nothing, nothing, nothing, nothing)

    def close(self) -> None:
        """Nothing is open."""


def test_what_is_not_a_number_is_a_failure_and_no_blank(bundle: Path) -> None:
    backend = BrokenBackend()
    pack = load_pack(InferenceSettings(bundle=bundle))
    broken = Classifier(backend, PackRouter.of_one(pack))
    with pytest.raises(BackendError, match="not finite"):
        broken.classify(ground(), CROP)
    assert backend.shapes == [(2, 32, 32, 3)]


def test_the_whole_frame_and_the_crop_are_one_batch(bundle: Path) -> None:
    settings = InferenceSettings(bundle=bundle, backend="onnxruntime", threads=1)
    pack = load_pack(settings)
    counted = Classifier(open_backend(pack, settings), PackRouter.of_one(pack))
    counted.classify(ground(), CROP)
    assert (counted.counts.passes, counted.counts.answers) == (1, 1)
