"""Attributes from pack to bundle to device: the same words from torch and from the graph."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from edgeclip.archive.answering import Asked, Views, open_answerer
from edgeclip.attributes.adding import Addition, add_attributes
from edgeclip.attributes.asked import read_asked
from edgeclip.clip import Backbone
from edgeclip.contract.attribute_answers import AttributeBank
from edgeclip.contract.pack import read_pack_manifest
from edgeclip.progress import Bars
from edgeclip.tensor_file import read_tensors
from edgeclip_device.config import InferenceSettings
from edgeclip_device.packs import load_pack
from edgeclip_export.add_pack import add_pack
from support.tiny_packs import TinyEncoder

AT = datetime(2026, 7, 1, tzinfo=timezone.utc)


@pytest.fixture
def asking(pack_folder: Path, backbone: Backbone, tmp_path: Path) -> Path:
    """The pack with the usual questions, as version 1.1.0."""
    addition = Addition(pack_folder, tmp_path / "asking", read_asked("usual"))
    add_attributes(addition, backbone, at=AT, bars=Bars(quiet=True))
    return tmp_path / "asking"


def test_a_bundle_takes_them_along_and_a_device_reads_what_the_trainer_wrote(
    asking: Path, bundle: Path, encoder: TinyEncoder
) -> None:
    add_pack(bundle, asking, lambda _: None)
    ours = AttributeBank.read(asking, read_pack_manifest(asking), read_tensors)
    pack = load_pack(InferenceSettings(bundle=bundle))
    assert pack.manifest.version == "1.1.0"
    assert ours is not None
    assert pack.attributes is not None
    assert pack.attributes.asked == ours.asked
    np.testing.assert_array_equal(pack.attributes.text, ours.text)
    in_torch = Asked(asking, backbone=str(encoder.config), pretrained=str(encoder.weights))
    views = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), np.uint8)
    found = []
    for answerer in (open_answerer(in_torch), open_answerer(Asked(bundle, backend="onnxruntime"))):
        features = [answer.features for answer in answerer.answer(Views(views, [{}] * 3))]
        found.append([ours.probabilities(f, f) for f in features if f is not None])
    assert len(found[0]) == 3
    np.testing.assert_allclose(found[0], found[1], atol=2e-4)
